"""deploy/rbac grants what secprof asks for, mode by mode, and nothing that it never uses."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.actions.cluster_rights import RIGHTS
from policies.cluster.gateway import Resource
from policies.cluster.writes import WRITABLE
from policies.domain.cluster_rights import Mode

MANIFESTS = Path(__file__).parents[2] / "deploy" / "rbac"
MODES = (Mode.READ, Mode.FLIP, Mode.PROBE)
READS = {"get", "list", "watch"}
WRITES = {"create", "update", "delete"}


def objects(mode: Mode) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / f"{mode.value}.yaml").read_text()))


def rules(mode: Mode, kind: str) -> list[dict[str, Any]]:
    return [rule for each in objects(mode) if each["kind"] == kind for rule in each["rules"]]


def granted(mode: Mode) -> set[tuple[str, str, str]]:
    """Name what a mode's ClusterRole grants: verb, group, plural."""
    return {
        (verb, group, plural)
        for rule in rules(mode, "ClusterRole")
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(mode: Mode) -> set[tuple[str, str, str]]:
    return {(verb, of.group, of.plural) for each, verb, of in RIGHTS if each is mode}


@pytest.mark.parametrize("mode", MODES)
def test_mode_grants_all_that_is_asked_for(mode: Mode) -> None:
    assert asked(mode)
    assert asked(mode) <= granted(mode)


@pytest.mark.parametrize("mode", MODES)
def test_mode_grants_no_wildcard_no_secret_and_no_power_over_rights(mode: Mode) -> None:
    for rule in (*rules(mode, "ClusterRole"), *rules(mode, "Role")):
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert "*" not in words
        assert not words & {"secrets", "pods/exec", "impersonate", "escalate", "bind"}
        assert "rbac.authorization.k8s.io" not in words


def test_read_only_writes_nothing() -> None:
    every = (*rules(Mode.READ, "ClusterRole"), *rules(Mode.READ, "Role"))
    assert {verb for rule in every for verb in rule["verbs"]} == READS


def test_flip_writes_what_the_one_function_may_write() -> None:
    assert {(group, plural) for _, group, plural in granted(Mode.FLIP)} <= WRITABLE
    assert {verb for verb, _, _ in granted(Mode.FLIP)} == WRITES


def test_probe_creates_pods_and_nothing_else() -> None:
    assert granted(Mode.PROBE) == {("create", "", "pods")}


def test_bindings_bind_the_one_account() -> None:
    for mode in MODES:
        for each in objects(mode):
            if each["kind"] in {"ClusterRoleBinding", "RoleBinding"}:
                assert each["subjects"] == [
                    {"kind": "ServiceAccount", "name": "secprof", "namespace": "secprof"}
                ]


def test_what_is_never_used_is_granted_nowhere() -> None:
    everything = {right for mode in MODES for right in granted(mode)}
    assert not asked(Mode.NEVER) & everything
    assert Resource("", "v1", "secrets", "Secret").plural in {r[2] for r in asked(Mode.NEVER)}
