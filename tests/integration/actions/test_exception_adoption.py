"""Exceptions that lie on a cluster and that secprof did not make: ours takes the place of one, or it is removed."""

import copy
from typing import Any

import pytest

from policies.actions import exceptions, flips
from policies.actions.errors import Refused
from policies.actions.specs import resource_of
from policies.domain.authority import NotAllowed, Role
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, RolloutStatus
from policies.models import ExceptionRequest, Flip, Variant
from policies.queries.specs import current_revisions
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import (
    approved,
    carry,
    enforced,
    heed,
    in_force,
    last_flip,
    owner_of,
    wish,
)

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
        ("policies.kyverno.io/kyverno/old", "heeds no exception of policies.kyverno.io"),
        ("old", "names no exception on a cluster"),
        ("example.org/kyverno/old", "names no exception on a cluster"),
        ("kyverno.io//old", "names no exception on a cluster"),
    ],
)
def test_adoption_of_what_is_no_exception_of_this_policy_is_refused(
    world: SandboxWorld, adopted: str, says: str
) -> None:
    with pytest.raises(Refused, match=says):
        adopt(world, "ClusterPolicy", adopted)

    assert not ExceptionRequest.objects.exists()


def test_native_policy_has_nothing_to_adopt(world: SandboxWorld) -> None:
    with pytest.raises(Refused, match="heeds no exception of kyverno.io"):
        adopt(world, "ValidatingAdmissionPolicy", "kyverno.io/kyverno/old")


# Removing one


def request_removal(world: SandboxWorld, variant: Variant, **changes: Any) -> Flip:
    values: dict[str, Any] = {
        "removes": adopted_from(FOREIGN[variant.target]),
        "reason": "nobody knows what it is for",
        "override_reason": "agreed with the team",
        "by": world.people.operator,
    }
    values |= changes
    plan = flips.preview_removal(
        variant_id=variant.pk,
        removes=values["removes"],
        by=world.people.viewer,
        now=world.now(),
    )
    return flips.request_removal(
        variant_id=variant.pk, plan_digest=plan.digest, now=world.now(), **values
    )


def test_foreign_exception_is_removed_by_two_people_and_that_is_proven(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = enforced(world, kyverno_target)
    world.sandbox.apply_manifest(FOREIGN[kyverno_target])
    before = current_revisions([variant])[variant.pk]

    flip = request_removal(world, variant)
    with pytest.raises(NotAllowed):
        flips.approve(
            flip_id=flip.pk,
            plan_digest=flip.plan_digest,
            comment="",
            by=world.people.operator,
            now=world.now(),
        )
    assert world.run(world.approve(flip)) is RolloutStatus.PROVEN, flip.closing_message

    resource = resource_of("PolicyException", FOREIGN[kyverno_target]["apiVersion"])
    assert not world.sandbox.exists(resource, "old", namespace="kyverno")
    kinds = list(flip.rollout.steps.order_by("position").values_list("kind", "namespace"))
    assert kinds[-3:] == [
        ("prove-warned", ""),
        ("prove-refused", "team-a"),
        ("prove-admitted", "team-a"),
    ]
    after = current_revisions([variant])[variant.pk]
    assert (after.objects_wanted, after.enforced) == (before.objects_wanted, before.enforced)
    assert flip.override_reason == "agreed with the team"
    assert {g["gate"] for g in flip.plan["gates"] if g["outcome"] != "pass"} == {"posture"}


def test_removal_that_meets_another_object_is_stale(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = enforced(world, kyverno_target)
    foreign = copy.deepcopy(FOREIGN[kyverno_target])
    world.sandbox.apply_manifest(foreign)
    flip = request_removal(world, variant)
    if "match" in foreign["spec"]:
        foreign["spec"]["exceptions"][0]["ruleNames"] = ["deny-unconfined-seccomp"]
    else:
        foreign["spec"]["matchConditions"][0]["expression"] = "request.namespace == 'team-b'"
    world.sandbox.apply_manifest(foreign)

    with pytest.raises(Refused, match="ground has moved"):
        world.approve(flip)


def test_removal_is_refused_without_reason_override_or_role(world: SandboxWorld) -> None:
    variant = enforced(world, "ClusterPolicy")
    world.sandbox.apply_manifest(FOREIGN["ClusterPolicy"])
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"reason": " "}, Refused, "Say why"),
        ({"override_reason": ""}, Refused, "Some gates do not pass"),
        ({"by": world.people.approver}, NotAllowed, "takes the role"),
        ({"by": owner_of(world, "team-a", role=Role.OPERATOR)}, NotAllowed, "that far"),
    ]
    for changes, error, says in cases:
        with pytest.raises(error, match=says):
            request_removal(world, variant, **changes)
    with pytest.raises(Refused, match="actions of their own"):
        flips.request(
            variant_id=variant.pk,
            verb=FlipVerb.REMOVE_EXCEPTION,
            namespaces=["team-a"],
            plan_digest="",
            reason="because",
            override_reason="",
            by=world.people.operator,
            now=world.now(),
        )


def test_removal_of_what_is_ours_gone_or_about_other_policies_is_refused(
    world: SandboxWorld,
) -> None:
    variant = enforced(world, "ClusterPolicy")
    row = in_force(world, variant)
    other = copy.deepcopy(FOREIGN["ClusterPolicy"])
    other["spec"]["exceptions"][0]["policyName"] = "somebody-elses"
    world.sandbox.apply_manifest(other)
    cases = [
        (f"kyverno.io/kyverno/secprof-{row.key}", "end it instead"),
        ("kyverno.io/kyverno/gone", "There is no exception kyverno.io/kyverno/gone any more"),
        ("kyverno.io/kyverno/old", "exempts from no policy of require-seccomp"),
        ("policies.kyverno.io/kyverno/old", "exempts from no policy of require-seccomp"),
        ("old", "names no exception"),
    ]
    for removes, says in cases:
        with pytest.raises(Refused, match=says):
            request_removal(world, variant, removes=removes)


def test_removal_in_audit_is_proven_by_the_warning(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = world.installed(kyverno_target)
    foreign = copy.deepcopy(FOREIGN[kyverno_target])
    name = "require-seccomp"
    if "exceptions" in foreign["spec"]:
        foreign["spec"]["exceptions"][0]["policyName"] = name
    else:
        foreign["spec"]["policyRefs"][0]["name"] = name
    world.sandbox.apply_manifest(foreign)

    flip = request_removal(world, variant)

    assert flip.plan["gates"] == []
    assert world.run(world.approve(flip)) is RolloutStatus.PROVEN
    assert flip.rollout.steps.get(kind="prove-warned").namespace == "team-a"


def test_removal_where_nothing_could_be_proven_is_refused(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    foreign = copy.deepcopy(FOREIGN["ClusterPolicy"])
    foreign["spec"]["exceptions"][0]["policyName"] = "require-seccomp"
    foreign["spec"]["match"]["any"][0]["resources"]["namespaces"] = ["nowhere"]
    world.sandbox.apply_manifest(foreign)

    with pytest.raises(Refused, match="reaches no namespace"):
        request_removal(world, variant)
    with pytest.raises(Refused, match="is not installed"):
        request_removal(world, world.variant("ClusterPolicy", name="another"))
