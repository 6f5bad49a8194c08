"""Who is who: the exempted, their neighbours with names that begin alike, and what no name can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.exemptions import WorkloadName
from policies.domain.identities import (
    Identity,
    InvalidExemption,
    family,
    fits,
    identity_of,
    pattern_of,
)
from policies.domain.objects import WorkloadKind
from tests.unit.domain.exception_cases import COVERED, HASH, NEIGHBOURS, named

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(("workload", "member"), COVERED, ids=str)
def test_pattern_fits_what_belongs_to_the_workload(
    workload: WorkloadName, member: Identity
) -> None:
    assert fits(pattern_of([workload]), member)


@pytest.mark.parametrize(("workload", "member"), NEIGHBOURS, ids=str)
def test_pattern_fits_no_neighbour(workload: WorkloadName, member: Identity) -> None:
    assert not fits(pattern_of([workload]), member)


@given(kind=st.sampled_from(WorkloadKind), name=NAMES)
def test_pattern_fits_every_member_of_the_family(kind: WorkloadKind, name: str) -> None:
    pattern = pattern_of([WorkloadName(kind, name)])

    assert all(fits(pattern, member) for member in family(WorkloadName(kind, name)))


@given(
    kind=st.sampled_from(WorkloadKind),
    other=st.sampled_from(WorkloadKind),
    name=NAMES,
    more=NAMES,
)
def test_pattern_fits_no_family_whose_name_goes_on(
    kind: WorkloadKind, other: WorkloadKind, name: str, more: str
) -> None:
    pattern = pattern_of([WorkloadName(kind, name)])

    # The one exception, a Job named like those of a CronJob, is told by `also_covers`.
    longer = WorkloadName(other, f"{name}-z{more}")
    assert not any(fits(pattern, member) for member in family(longer))


def test_pattern_is_the_same_in_any_order() -> None:
    workloads = [named("Deployment", "b"), named("CronJob", "a"), named("Deployment", "a")]

    assert pattern_of(workloads) == pattern_of(reversed(workloads)) == pattern_of(workloads * 2)


@pytest.mark.parametrize("name", ["", "App", "a/b", "a|b", "a,b", "-a", "a" * 254, "a\nb", ".*"])
def test_pattern_of_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidExemption, match="not the name"):
        pattern_of([WorkloadName(WorkloadKind.DEPLOYMENT, name)])


def test_pattern_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidExemption, match="at least one"):
        pattern_of([])


def test_identity_is_read_from_controller_and_label() -> None:
    manifest = {
        "kind": "Pod",
        "metadata": {
            "name": "app-x",
            "labels": {"pod-template-hash": HASH},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "no-controller"},
                {"apiVersion": "v1", "kind": "Node", "name": "custom", "controller": True},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "controller": True},
            ],
        },
    }

    assert str(identity_of(manifest)) == f"Pod,app-x,apps/v1,ReplicaSet,r,{HASH}"


def test_identity_of_an_object_that_a_custom_kind_controls_is_its_own() -> None:
    owner = {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "r", "controller": True}
    manifest = {"kind": "ReplicaSet", "metadata": {"name": "r-1", "ownerReferences": [owner]}}

    assert fits(pattern_of([named("ReplicaSet", "r-1")]), identity_of(manifest))


def test_identity_of_an_odd_object_is_nobody() -> None:
    assert str(identity_of({})) == ",,,"
    assert not fits(pattern_of([named("Pod", "a")]), identity_of({"metadata": None}))
