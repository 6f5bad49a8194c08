"""Exceptions that lie on a cluster and that secprof did not make: ours takes the place of one."""

from typing import Any

import pytest

from policies.actions import exceptions
from policies.actions.errors import Refused
from policies.actions.specs import resource_of
from policies.domain.lifecycle import ExceptionStatus, RolloutStatus
from policies.models import ExceptionRequest
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import approved, carry, enforced, heed, last_flip, wish

pytestmark = pytest.mark.django_db

FOREIGN = {
    "ClusterPolicy": {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "old", "namespace": "kyverno"},
        "spec": {
            "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["team-a"]}}]},
            "exceptions": [
                {"policyName": "require-seccomp-enforce", "ruleNames": ["require-seccomp"]}
            ],
        },
    },
    "ValidatingPolicy": {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "PolicyException",
        "metadata": {"name": "old", "namespace": "kyverno"},
        "spec": {
            "policyRefs": [{"kind": "ValidatingPolicy", "name": "require-seccomp-enforce"}],
            "matchConditions": [
                {"name": "namespace", "expression": "request.namespace == 'team-a'"}
            ],
        },
    },
}


@pytest.fixture(autouse=True)
def _heeding(world: SandboxWorld) -> None:
    heed(world)


def adopted_from(manifest: dict[str, Any]) -> str:
    group = manifest["apiVersion"].partition("/")[0]
    return f"{group}/kyverno/old"


def adopt(world: SandboxWorld, target: str, adopted: str) -> ExceptionRequest:
    return exceptions.request(
        wish=wish(enforced(world, target), now=world.now()),
        adopted_from=adopted,
        by=world.people.operator,
        now=world.now(),
    )


def test_adopted_exception_gives_way_to_ours_in_one_roll_out(
    world: SandboxWorld, kyverno_target: str
) -> None:
    foreign = FOREIGN[kyverno_target]
    row = adopt(world, kyverno_target, adopted_from(foreign))
    world.sandbox.apply_manifest(foreign)

    row = approved(world, row)
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    applied = last_flip(row).rollout.steps.filter(kind="apply").order_by("position")
    assert list(applied.values_list("object_name", "detail")) == [
        (f"kyverno/secprof-{row.key}", "Created."),
        ("kyverno/old", "Deleted."),
    ]
    resource = resource_of("PolicyException", foreign["apiVersion"])
    assert not world.sandbox.exists(resource, "old", namespace="kyverno")
    assert row.status == ExceptionStatus.IN_FORCE


def test_adopted_exception_that_is_gone_by_now_is_no_obstacle(
    world: SandboxWorld, kyverno_target: str
) -> None:
    row = approved(world, adopt(world, kyverno_target, adopted_from(FOREIGN[kyverno_target])))

    assert carry(world, row) is RolloutStatus.PROVEN


@pytest.mark.parametrize(
    ("adopted", "says"),
    [
        ("policies.kyverno.io/kyverno/old", "heeds exceptions of kyverno.io"),
        ("old", "names no exception on a cluster"),
        ("example.org/kyverno/old", "names no exception on a cluster"),
        ("kyverno.io//old", "names no exception on a cluster"),
    ],
)
def test_adoption_of_what_is_no_exception_of_this_policy_is_refused(
    world: SandboxWorld, adopted: str, says: str
) -> None:
    row = adopt(world, "ClusterPolicy", adopted)

    with pytest.raises(Refused, match=says):
        approved(world, row)
