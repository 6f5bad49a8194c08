"""Kyverno among the Deployments of a cluster, and the namespaces that it leaves alone."""

from typing import Any

import msgspec
import pytest

from policies.domain.engines import Engine, find_engine, is_system_namespace
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
