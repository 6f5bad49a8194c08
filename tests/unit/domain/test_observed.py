"""Policies as clusters show them: ours, tampered with, foreign and odd."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.library import ObjectRole, Target, compile_objects
from policies.domain.observed import policy_digest, read_policy
from tests.unit.domain.test_library import CPOL, NATIVE, VPOL, variant

NAMESPACES = ("team-a", "team-b")


def compiled(target: Target, role: ObjectRole) -> dict[str, Any]:
    for c in compile_objects(variant(target), NAMESPACES):
        if c.role is role:
            return c.manifest
    raise LookupError(role)


@pytest.mark.parametrize("target", Target)
def test_read_policy_of_an_audit_policy_denies_nothing(target: Target) -> None:
    read = read_policy(compiled(target, ObjectRole.AUDIT))

    assert (read.variant, read.role, read.enforced) == ("seccomp", ObjectRole.AUDIT, ())
    assert not read.denies


def test_read_policy_of_an_audit_binding_denies_nothing() -> None:
    read = read_policy(compiled(NATIVE, ObjectRole.BINDING))

    assert (read.variant, read.role, read.enforced) == ("seccomp", ObjectRole.BINDING, ())
    assert not read.denies


@pytest.mark.parametrize(
    ("target", "role"),
    [
        (CPOL, ObjectRole.TWIN),
        (VPOL, ObjectRole.TWIN),
        (VPOL, ObjectRole.COMPANION),
        (NATIVE, ObjectRole.TWIN),
    ],
)
def test_read_policy_of_a_twin_names_its_namespaces(target: Target, role: ObjectRole) -> None:
    read = read_policy(compiled(target, role))

    assert (read.role, read.enforced, read.denies) == (role, NAMESPACES, True)


def test_read_policy_gives_the_rules_of_a_cluster_policy() -> None:
    assert read_policy(compiled(CPOL, ObjectRole.TWIN)).rules == (
        "deny-unconfined-seccomp",
        "require-seccomp",
    )
    assert read_policy(compiled(VPOL, ObjectRole.TWIN)).rules == ()


def test_read_policy_twin_with_one_list_cut_denies_only_where_both_agree() -> None:
    twin = compiled(CPOL, ObjectRole.TWIN)
    twin["spec"]["rules"][0]["match"]["any"][0]["resources"]["namespaces"] = ["team-b"]

    assert read_policy(twin).enforced == ("team-b",)


def foreign(kind: str, spec: Any, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "x/v1",
        "kind": kind,
        "metadata": {"name": "theirs"},
        "spec": spec,
        **more,
    }


@pytest.mark.parametrize(
    ("spec", "denies"),
    [
        ({}, True),
        ({"validationActions": []}, True),
        ({"validationActions": ["Audit", "Warn"]}, False),
        ({"validationActions": ["Audit", "Deny"]}, True),
        ({"validationActions": ["deny"]}, True),
    ],
)
def test_read_policy_of_a_validating_policy_denies_unless_told_otherwise(
    spec: dict[str, Any], *, denies: bool
) -> None:
    assert read_policy(foreign("ValidatingPolicy", spec)).denies is denies


@pytest.mark.parametrize(
    ("kind", "spec", "denies"),
    [
        ("ValidatingAdmissionPolicy", {"validations": []}, False),
        ("ValidatingAdmissionPolicyBinding", {}, False),
        ("ValidatingAdmissionPolicyBinding", {"validationActions": ["Audit"]}, False),
        ("ValidatingAdmissionPolicyBinding", {"validationActions": ["Deny"]}, True),
    ],
)
def test_read_policy_of_a_native_policy_denies_by_its_bindings(
    kind: str, spec: dict[str, Any], *, denies: bool
) -> None:
    assert read_policy(foreign(kind, spec)).denies is denies


@pytest.mark.parametrize(
    ("spec", "denies"),
    [
        ({}, False),
        ({"validationFailureAction": "enforce"}, True),
        ({"validationFailureAction": "Audit"}, False),
        ({"rules": [{"name": "r", "validate": {"failureAction": "Enforce"}}]}, True),
        (
            {"rules": [{"validate": {"failureActionOverrides": [{"action": "Enforce"}]}}]},
            True,
        ),
        ({"validationFailureActionOverrides": [{"action": "enforce", "namespaces": ["a"]}]}, True),
    ],
)
def test_read_policy_of_a_cluster_policy_denies_if_it_enforces_anywhere(
    spec: dict[str, Any], *, denies: bool
) -> None:
    assert read_policy(foreign("ClusterPolicy", spec)).denies is denies


def test_read_policy_of_a_foreign_policy_has_no_variant() -> None:
    read = read_policy(foreign("ClusterPolicy", {"rules": [{"name": "r"}]}))

    assert (read.variant, read.role, read.enforced, read.rules) == (None, None, (), ("r",))


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"conditionStatus": {"ready": True}}, True),
        ({"conditionStatus": {"ready": False}}, False),
        ({"conditions": [{"type": "Other"}, {"type": "Ready", "status": "True"}]}, True),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False),
        ({"ready": True}, True),
        ({}, None),
    ],
)
def test_read_policy_reads_readiness_of_both_kinds(
    status: dict[str, Any], *, ready: bool | None
) -> None:
    assert read_policy(foreign("ClusterPolicy", {}, status=status)).ready is ready


def test_read_policy_was_updated_when_its_content_was() -> None:
    manifest = foreign("ClusterPolicy", {})
    manifest["metadata"] |= {
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [
            {"time": "2026-02-01T00:00:00Z"},
            {"time": "2026-03-01T00:00:00Z", "subresource": "status"},
            {"time": "odd"},
        ],
    }

    assert read_policy(manifest).updated_at == datetime(2026, 2, 1, tzinfo=UTC)


def served(manifest: dict[str, Any]) -> dict[str, Any]:
    """Add what a server keeps for itself."""
    stored = deepcopy(manifest)
    stored["metadata"] |= {"uid": "u", "resourceVersion": "7", "managedFields": [], "generation": 2}
    stored["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    stored["status"] = {"ready": True}
    return stored


@pytest.mark.parametrize("target", Target)
def test_digest_is_blind_to_what_the_server_keeps(target: Target) -> None:
    manifest = compiled(target, ObjectRole.TWIN)

    assert policy_digest(served(manifest)) == policy_digest(manifest)
    assert read_policy(served(manifest)).digest == policy_digest(manifest)


def test_digest_is_blind_to_the_version_it_was_read_through() -> None:
    manifest = compiled(VPOL, ObjectRole.TWIN)
    older = manifest | {"apiVersion": "policies.kyverno.io/v1beta1"}

    assert policy_digest(older) == policy_digest(manifest)


def test_digest_is_blind_to_a_default_of_newer_versions() -> None:
    manifest = compiled(CPOL, ObjectRole.TWIN)
    stored = deepcopy(manifest)
    for rule in stored["spec"]["rules"]:
        rule["validate"]["cel"]["generate"] = False

    assert policy_digest(stored) == policy_digest(manifest)
    stored["spec"]["rules"][0]["validate"]["cel"]["generate"] = True
    assert policy_digest(stored) != policy_digest(manifest)


@pytest.mark.parametrize(
    "edit",
    [
        {"kind": "Policy"},
        {"apiVersion": "example.org/v1"},
        {"spec": {}},
        {"metadata": {"name": "other"}},
        {"metadata": {"name": "seccomp", "labels": {"secprof.io/role": "twin"}}},
        {
            "metadata": {
                "name": "seccomp",
                "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"},
            }
        },
    ],
)
def test_digest_sees_what_decides_behaviour(edit: dict[str, Any]) -> None:
    manifest = compiled(CPOL, ObjectRole.AUDIT)

    assert policy_digest(manifest | edit) != policy_digest(manifest)


KEYS = [
    "metadata",
    "labels",
    "spec",
    "rules",
    "validate",
    "match",
    "any",
    "resources",
    "name",
    "namespaces",
    "validationActions",
    "status",
    "matchConditions",
    "expression",
    "conditionStatus",
    "conditions",
    "managedFields",
    "failureActionOverrides",
    "matchResources",
    "namespaceSelector",
    "matchExpressions",
    "kind",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "Enforce", "audit", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(spec=JSON, status=JSON, metadata=JSON, kind=st.sampled_from(["ClusterPolicy", "x"]))
def test_read_policy_never_crashes(spec: Any, status: Any, metadata: Any, kind: str) -> None:
    read = read_policy({"kind": kind, "spec": spec, "status": status, "metadata": metadata})

    assert len(read.digest) == 64
