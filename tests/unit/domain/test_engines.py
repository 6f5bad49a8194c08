"""Kyverno among the Deployments of a cluster, and the namespaces that it leaves alone."""

from typing import Any

import msgspec
import pytest

from policies.domain.engines import (
    COMPONENT,
    Engine,
    find_engine,
    is_system_namespace,
    read_settings,
)
from policies.domain.objects import Controller


def deployment(image: str = "reg.kyverno.io/kyverno/kyverno:v1.19.1", **changes: Any) -> Controller:
    values: dict[str, Any] = {
        "component": "admission-controller",
        "container": "kyverno",
        "template": True,
    } | changes
    containers = [
        {"name": "sidecar", "image": "other:1"},
        {"name": values["container"], "image": image},
    ]
    manifest = {
        "metadata": {
            "name": "kyverno-admission-controller",
            "namespace": "kyverno",
            "labels": {"app.kubernetes.io/component": values["component"]},
        },
        "spec": {"template": {"spec": {"containers": containers}}} if values["template"] else {},
    }
    return msgspec.convert(manifest, Controller)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("reg.kyverno.io/kyverno/kyverno:v1.19.1", "v1.19.1"),
        ("registry.internal:5000/kyverno/kyverno:v1.13.4", "v1.13.4"),
        ("registry.internal:5000/kyverno/kyverno", ""),
        ("kyverno:v1.19.1@sha256:0123", "v1.19.1"),
        ("kyverno@sha256:0123", ""),
        ("", ""),
    ],
)
def test_find_engine_reads_the_version_from_the_tag(image: str, version: str) -> None:
    assert find_engine(deployment(image)) == Engine("kyverno", version)


@pytest.mark.parametrize(
    "changes",
    [{"component": "reports-controller"}, {"container": "manager"}, {"template": False}],
)
def test_find_engine_in_another_deployment_finds_none(changes: dict[str, Any]) -> None:
    assert find_engine(deployment(**changes)) is None


def test_find_engine_without_labels_finds_none() -> None:
    assert find_engine(msgspec.convert({"metadata": {}, "spec": {}}, Controller)) is None


@pytest.mark.parametrize(
    ("name", "is_system"),
    [
        ("kube-system", True),
        ("kube-public", True),
        ("kyverno", True),
        ("kubernetes-dashboard", False),
        ("team-kube", False),
        ("default", False),
    ],
)
def test_is_system_namespace_names_what_the_engine_leaves_out(name: str, is_system: bool) -> None:
    assert is_system_namespace(name, frozenset({"kyverno"})) is is_system


def stated(**container: object) -> dict[str, object]:
    own = {"name": "controller", "image": "reg.kyverno.io/kyverno/x:v1.19.1", **container}
    return {
        "metadata": {"name": "x", "namespace": "k", "labels": {COMPONENT: "reports-controller"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [own]}}},
    }


@pytest.mark.parametrize(
    ("status", "ready"),
    [({"readyReplicas": 2}, 2), ({"observedGeneration": 1}, 0), ({}, None), (None, None)],
)
def test_read_settings_counts_replicas_that_are_ready(status: object, ready: int | None) -> None:
    found = read_settings({**stated(), "status": status})

    assert found is not None
    assert (found.replicas, found.ready) == (2, ready)


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ([{"name": "INIT_CONFIG", "value": "other"}], "other"),
        ([{"name": "INIT_CONFIG", "valueFrom": {}}], "kyverno"),
        ([{"name": "INIT_CONFIG", "value": ""}], "kyverno"),
        ([{"name": "X", "value": "y"}, "nonsense"], "kyverno"),
        ("nonsense", "kyverno"),
        (None, "kyverno"),
    ],
)
def test_read_settings_finds_the_name_of_the_config_map(env: object, name: str) -> None:
    found = read_settings(stated(env=env))

    assert found is not None
    assert found.config_name == name


@pytest.mark.parametrize(
    ("args", "flag", "is_on"),
    [
        ([], "true", True),
        (["--backgroundScan=false"], "false", False),
        (["--backgroundScan"], "true", True),
        (["--backgroundScan=$(SCAN)"], None, None),
        (["--backgroundScan=perhaps"], "perhaps", None),
        (["--backgroundScan", "false"], None, None),
        ("nonsense", None, None),
    ],
)
def test_flag_is_what_kyverno_takes_it_for(
    args: object, flag: str | None, is_on: bool | None
) -> None:
    found = read_settings(stated(args=args))

    assert found is not None
    assert found.flag("--backgroundScan", "true") == flag
    assert found.is_on("--backgroundScan", default=True) is is_on
