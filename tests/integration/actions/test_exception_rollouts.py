"""Exceptions on the sandbox, for every kind of policy: put into force, ended, and proven each time."""

from datetime import timedelta

import pytest

from policies.actions import exception_previews, exception_rollouts
from policies.actions.errors import Refused
from policies.domain.lifecycle import (
    ExceptionStatus,
    FlipStatus,
    FlipVerb,
    RolloutStatus,
)
from policies.models import AuditEvent, ExceptionRequest, Stage, Variant
from policies.queries.evidence import has_drifted
from policies.queries.specs import current_revisions
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import (
    FTP,
    MAIL,
    approved,
    asked,
    carry,
    enforced,
    expire,
    heed,
    in_force,
    last_flip,
    owner_of,
    trail,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _heeding(world: SandboxWorld) -> None:
    heed(world)


def steps(row: ExceptionRequest) -> list[tuple[str, str]]:
    found = last_flip(row).rollout.steps.order_by("position")
    return list(found.values_list("kind", "object_name"))


def test_exception_is_asked_approved_in_part_in_force_expired_and_ended(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    row = asked(world, variant, FTP, MAIL, by=owner_of(world, "team-a"))

    row = approved(world, row, workloads=[FTP], ends_at=world.now() + timedelta(days=10))
    assert row.status == ExceptionStatus.APPROVED
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    assert row.status == ExceptionStatus.IN_FORCE
    proofs = [step for step in steps(row) if step[0].startswith("prove")]
    assert proofs == [("prove-exempt", "ftp"), ("prove-not-exempt", "ftp")]
    expire(world, row)
    assert (row.status, row.ending_reason, row.ending_by) == ("ending", "expired", None)
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    assert row.status == ExceptionStatus.ENDED
    proofs = [step for step in steps(row) if step[0].startswith("prove")]
    assert proofs == [("prove-judged", "ftp"), ("prove-not-exempt", "ftp")]
    assert [verb for verb in trail(row) if verb.startswith("exception.")] == [
        "exception.requested",
        "exception.approved",
        "exception.in_force",
        "exception.expired",
        "exception.ended",
    ]


def test_exception_leaves_the_revision_of_its_policy_as_it_was(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    before = current_revisions([variant])[variant.pk]

    row = in_force(world, variant)

    after = current_revisions([variant])[variant.pk]
    assert (after.number, after.enforced, after.exempted) == (
        before.number + 1,
        ["team-a"],
        [str(row.pk)],
    )
    assert after.compiled_from == before.compiled_from
    check_not_drifted(world, variant)
    is_native = target == "ValidatingAdmissionPolicy"
    assert (after.objects_wanted != before.objects_wanted) is is_native
    assert Stage.objects.get(variant=variant, namespace="team-a").flip.verb == "enforce"


def check_not_drifted(world: SandboxWorld, variant: Variant) -> None:
    world.collect()
    digests = {
        each.name: each.digest
        for each in variant.cluster.policies.filter(variant_name=variant.name)
    }
    assert not has_drifted(digests, current_revisions([variant])[variant.pk])


def exempted_now(world: SandboxWorld, variant: Variant) -> bool:
    """Ask by a roll-out's own proof: a bad pod of ftp, as the policy judges it now."""
    row = ExceptionRequest.objects.filter(variant=variant).latest("requested_at")
    plan = exception_previews.preview_exception(
        exception_id=row.pk, by=world.people.operator, now=world.now()
    ).plan
    return plan.changes == ()


def test_later_flips_keep_what_is_exempt(world: SandboxWorld, target: str) -> None:
    variant = enforced(world, target)
    row = in_force(world, variant)
    for flip in (
        lambda: world.flip(variant, FlipVerb.ENFORCE, "team-b", override="agreed"),
        lambda: world.flip(
            world.edit(variant, message="Ask the platform team."), FlipVerb.INSTALL, override="yes"
        ),
        lambda: world.roll_back(variant, "team-b"),
    ):
        world.collect()
        assert flip() is RolloutStatus.PROVEN
        variant.refresh_from_db()

        assert current_revisions([variant])[variant.pk].exempted == [str(row.pk)]
        assert exempted_now(world, variant)
        check_not_drifted(world, variant)
    expire(world, row)
    assert carry(world, row) is RolloutStatus.PROVEN
    assert current_revisions([variant])[variant.pk].exempted == []
    check_not_drifted(world, variant)


def test_flip_that_was_asked_for_meanwhile_is_not_stale_by_an_exception_elsewhere(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    waiting = world.request(variant, FlipVerb.ENFORCE, "team-b", override="agreed")

    row = in_force(world, variant)
    flip = world.approve(waiting)

    assert world.run(flip) is RolloutStatus.PROVEN
    assert current_revisions([variant])[variant.pk].exempted == [str(row.pk)]
    check_not_drifted(world, variant)
    event = AuditEvent.objects.get(verb="flip.approved", flip_id=str(flip.pk))
    assert ("renewed" in event.details) is (target == "ValidatingAdmissionPolicy")


def test_flip_is_stale_by_an_exception_in_a_namespace_that_it_covers(world: SandboxWorld) -> None:
    variant = enforced(world, "ValidatingAdmissionPolicy")
    world.roll_back(variant, "team-a")
    world.collect()
    waiting = world.request(variant, FlipVerb.ENFORCE, "team-a", override="agreed")
    in_force(world, variant)

    with pytest.raises(Refused, match="ground has moved"):
        world.approve(waiting)


def test_exception_in_audit_is_proven_by_the_missing_warning(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)

    row = in_force(world, variant)

    details = list(
        last_flip(row)
        .rollout.steps.filter(kind__startswith="prove")
        .values_list("detail", flat=True)
    )
    assert details == [
        "The pod of Deployment ftp is admitted, 3 of 3.",
        "The pod beside it is admitted with a warning, 3 of 3.",
    ]
    expire(world, row)
    assert carry(world, row) is RolloutStatus.PROVEN


def test_exception_waits_for_the_roll_out_that_is_under_way(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    row = asked(world, variant)
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-b", override="agreed"))

    row = approved(world, row)

    assert (row.status, row.flips.count()) == (ExceptionStatus.APPROVED, 0)
    assert exception_rollouts.due_exceptions(now=world.now()) == ()
    assert carry(world, row) is None
    assert world.run(flip) is RolloutStatus.PROVEN
    assert exception_rollouts.due_exceptions(now=world.now()) == (str(row.pk),)
    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == ExceptionStatus.IN_FORCE


def test_rollback_goes_ahead_of_an_exception_which_comes_after_it(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    row = approved(world, asked(world, variant))

    assert world.roll_back(variant, "team-a") is RolloutStatus.PROVEN

    assert last_flip(row).status == FlipStatus.SUPERSEDED
    row.refresh_from_db()
    assert (row.status, row.attempt_count) == (ExceptionStatus.APPROVED, 0)
    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == ExceptionStatus.IN_FORCE
    assert row.flips.count() == 2
