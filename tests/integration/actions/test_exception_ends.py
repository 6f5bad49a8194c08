"""How exceptions end: by time, revoked, not needed; gates, engines that are away, and what is announced ahead."""

from datetime import timedelta
from typing import Any

import pytest

from policies.actions import exception_ends, exception_rollouts
from policies.actions.errors import Busy, Refused
from policies.actions.specs import resource_of
from policies.cluster.gateway import DEPLOYMENTS, NAMESPACES
from policies.domain.authority import SYSTEM, Actor, NotAllowed
from policies.domain.exemptions import WorkloadName
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, RolloutStatus, WrongState
from policies.domain.objects import WorkloadKind
from policies.models import (
    AuditEvent,
    ExceptionRequest,
    ObservedNamespace,
    PostureTally,
)
from policies.queries.exemption_rows import exemption_of
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import (
    FTP,
    approved,
    asked,
    carry,
    enforced,
    expire,
    heed,
    in_force,
    last_flip,
    owner_of,
)
from tests.integration.actions.watched import Hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("little_patience")]

S = ExceptionStatus
FTP_V2 = WorkloadName(WorkloadKind.DEPLOYMENT, "ftp-v2")
"""Named like the pod beside ftp that a proof would ask about first."""


@pytest.fixture(autouse=True)
def _heeding(world: SandboxWorld) -> None:
    heed(world)


def end(
    world: SandboxWorld, row: ExceptionRequest, *, by: Actor | None = None, **changes: Any
) -> ExceptionRequest:
    values: dict[str, Any] = {"ending": "revoked", "reason": "the image was taken over"}
    return exception_ends.end(
        exception_id=row.pk, by=by or world.people.approver, now=world.now(), **values | changes
    )


def events(row: ExceptionRequest, verb: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(exception_id=str(row.pk), verb=verb).order_by("pk"))


# Revocation


def test_revocation_where_enforced_asks_the_gates_as_if_nobody_were_exempt(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    row = in_force(world, variant)

    with pytest.raises(Refused, match="Say why they may be overridden") as refusal:
        end(world, row)
    assert refusal.value.details == (
        "team-a: Without the exemption, new pods of Deployment ftp are refused.",
    )
    row.refresh_from_db()
    assert row.status == S.IN_FORCE

    end(world, row, by=world.people.admin, override_reason="it has been broken into")
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    assert (row.status, row.ending_by.get_username()) == (S.ENDED, "admin")
    assert row.ending_reason == "revoked: the image was taken over"
    flip = last_flip(row)
    assert (flip.requested_by.get_username(), flip.decided_by) == ("admin", None)
    assert flip.override_reason == "it has been broken into"
    (revoked,) = events(row, "exception.revoked")
    assert revoked.details["override_reason"] == "it has been broken into"
    assert revoked.details["open_gates"] == [
        "posture: Without the exemption, new pods of Deployment ftp are refused."
    ]


def test_revocation_through_a_gate_takes_who_may_override(world: SandboxWorld) -> None:
    variant = enforced(world, "ClusterPolicy")
    row = in_force(world, variant)

    for by in (owner_of(world, "team-a"), world.people.approver):
        with pytest.raises(NotAllowed, match="may not override gates"):
            end(world, row, by=by, override_reason="never mind")


def test_end_of_what_nobody_needs_any_more_passes_the_gates(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    row = in_force(world, variant, FTP)
    world.sandbox.delete(DEPLOYMENTS, "ftp", namespace="team-a")
    world.collect()

    end(world, row, by=owner_of(world, "team-a"), ending="not needed", reason="repaired")
    assert carry(world, row) is RolloutStatus.PROVEN

    assert (row.status, row.ending_reason) == (S.ENDED, "not needed: repaired")
    assert events(row, "exception.not_needed")[0].actor == "owner"


def test_revocation_in_audit_asks_no_gates(world: SandboxWorld, target: str) -> None:
    row = in_force(world, world.installed(target))

    end(world, row)

    assert last_flip(row).plan["gates"] == []
    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == S.ENDED


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reason": " "}, "Say why"),
        ({"ending": "expired"}, "revoked or not needed"),
        ({"ending": ""}, "revoked or not needed"),
    ],
)
def test_end_without_a_reason_or_a_word_is_refused(
    world: SandboxWorld, changes: dict[str, Any], says: str
) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))

    with pytest.raises(Refused, match=says):
        end(world, row, **changes)


def test_end_takes_the_right_people_and_an_exception_that_has_begun(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    row = asked(world, variant)
    with pytest.raises(WrongState, match="is requested"):
        end(world, row)
    row = approved(world, row)
    with pytest.raises(Busy, match="carried out at this moment"):
        end(world, row)
    row.refresh_from_db()
    assert (row.status, row.ending_at) == (S.APPROVED, None)
    carry(world, row)

    for by in (world.people.viewer, world.people.auditor, owner_of(world, "team-b")):
        with pytest.raises(NotAllowed):
            end(world, row, by=by)
    end(world, row)
    with pytest.raises(WrongState, match="is ending"):
        end(world, row)


def test_what_was_never_written_is_ended_by_word_alone(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-b", override="agreed"))
    waiting = [approved(world, asked(world, variant)) for _ in range(2)]

    end(world, waiting[0])
    expire(world, waiting[1])

    for row in waiting:
        row.refresh_from_db()
        assert (row.status, row.flips.count()) == (S.ENDED, 0)
        assert row.closing_message == "It was never written to the cluster."
    assert flip.rollout.status == "queued"


# Expiry


def test_expiry_asks_the_gates_and_ends_all_the_same(world: SandboxWorld, target: str) -> None:
    variant = enforced(world, target)
    row = in_force(world, variant)

    assert exception_ends.end_expired(now=world.now()) == 0
    expire(world, row)
    assert exception_ends.end_expired(now=world.now()) == 0
    assert carry(world, row) is RolloutStatus.PROVEN

    flip = last_flip(row)
    assert (flip.requested_by_id, flip.decided_by_id) == (row.requested_by_id, row.decided_by_id)
    (expired,) = events(row, "exception.expired")
    assert expired.actor == SYSTEM.name
    (ended,) = events(row, "exception.ended")
    assert any("Deployment ftp are refused" in each for each in ended.details["open_gates"])


def test_expiry_while_the_engine_is_down_is_tried_until_it_is_proven(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = enforced(world, kyverno_target)
    row = in_force(world, variant)
    world.sandbox.set_fault(Fault.ENGINE_DOWN)
    expire(world, row)

    said = set()
    for attempt in range(1, 7):
        carry(world, row)
        assert (row.status, row.attempt_count) == (S.ENDING, attempt)
        assert row.closed_at is None
        said.add(row.closing_message)
        pause = row.due_at - world.now()
        assert timedelta() < pause <= timedelta(minutes=15)
        assert carry(world, row) is None
        assert row.attempt_count == attempt
        world.late += pause
    assert all(said), said

    world.sandbox.clear_fault(Fault.ENGINE_DOWN)
    assert carry(world, row) is RolloutStatus.PROVEN
    assert (row.status, row.closing_message, row.due_at) == (S.ENDED, "", None)


def test_expiry_while_the_cluster_is_away_says_why_it_waits(world: SandboxWorld) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)
    expire(world, row)

    for _ in range(2):
        assert carry(world, row) is None
        world.late += timedelta(minutes=20)

    assert (row.status, row.attempt_count) == (S.ENDING, 2)
    assert len(events(row, "exception.put_off")) == 1
    assert events(row, "exception.put_off")[0].message == row.closing_message != ""
    world.sandbox.clear_fault(Fault.API_SERVER_DOWN)
    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == S.ENDED


def test_end_of_an_object_that_somebody_has_deleted_is_proven_too(
    world: SandboxWorld, kyverno_target: str
) -> None:
    row = in_force(world, world.installed(kyverno_target))
    delete_object(world, row)

    expire(world, row)

    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == S.ENDED


def delete_object(world: SandboxWorld, row: ExceptionRequest) -> None:
    (planned,) = last_flip(row).plan["objects"]
    resource = resource_of(planned["kind"], planned["api_version"])
    world.sandbox.delete(resource, planned["name"], namespace=planned["namespace"])


def test_worker_that_was_down_catches_up(world: SandboxWorld) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))
    row.refresh_from_db()
    world.late += timedelta(days=60)

    assert exception_ends.end_expired(now=world.now()) == 1
    assert carry(world, row) is RolloutStatus.PROVEN
    assert row.status == S.ENDED


# Announcements


def announced(world: SandboxWorld, row: ExceptionRequest, days_left: float) -> list[int]:
    """Come to this many days before the end, announce twice, and give all that was announced."""
    end_at = exemption_of(row).ends_at
    world.late += end_at - timedelta(days=days_left) - world.now()
    exception_ends.announce_ends(now=world.now())
    assert exception_ends.announce_ends(now=world.now()) == 0
    row.refresh_from_db()
    return [each.details["days"] for each in events(row, "exception.expiry_announced")]


def test_end_is_announced_14_7_and_1_days_ahead_each_once(world: SandboxWorld) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))

    assert announced(world, row, 15) == []
    assert announced(world, row, 14) == [14]
    assert announced(world, row, 8) == [14]
    assert announced(world, row, 7) == [14, 7]
    assert announced(world, row, 0.5) == [14, 7, 1]
    assert row.announced_days == 1


def test_after_a_while_without_workers_only_the_nearest_is_announced(world: SandboxWorld) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))

    assert announced(world, row, 3) == [7]
    assert announced(world, row, 1) == [7, 1]


def test_what_lies_before_its_beginning_is_not_announced(world: SandboxWorld) -> None:
    row = in_force(world, world.installed("ClusterPolicy"), ends_at=world.now() + timedelta(days=5))

    assert announced(world, row, 4) == []
    assert announced(world, row, 1) == [1]


def test_what_has_ended_is_not_announced(world: SandboxWorld) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))
    end(world, row)
    carry(world, row)

    assert announced(world, row, 1) == []


# Others beside it


def test_end_leaves_to_another_exception_whom_that_exempts(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    old = in_force(world, variant, FTP, ends_at=world.now() + timedelta(days=5))
    new = in_force(world, variant, FTP, FTP_V2)

    expire(world, old)
    assert carry(world, old) is RolloutStatus.PROVEN, last_flip(old).closing_message

    assert old.status == S.ENDED
    judged = last_flip(old).rollout.steps.get(kind="prove-judged")
    assert judged.status == "skipped"
    assert judged.detail.startswith("Deployment ftp is exempt still, by another exception, until")
    assert [g["outcome"] for g in last_flip(old).plan["gates"] if g["gate"] == "posture"] == [
        "pass"
    ]
    expire(world, new)
    assert carry(world, new) is RolloutStatus.PROVEN, last_flip(new).closing_message
    assert set(last_flip(new).rollout.steps.values_list("status", flat=True)) == {"done"}


def test_end_in_a_namespace_that_is_gone_is_an_end(world: SandboxWorld, target: str) -> None:
    row = in_force(world, world.installed(target))
    world.sandbox.delete(NAMESPACES, "team-a")
    world.collect()

    expire(world, row)
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    assert row.status == S.ENDED
    details = set(
        last_flip(row).rollout.steps.filter(status="skipped").values_list("detail", flat=True)
    )
    assert details == {"The namespace team-a is gone, and everybody in it."}


# What comes in between


def test_expiry_of_what_is_being_carried_out_waits_for_that(world: SandboxWorld) -> None:
    row = approved(world, asked(world, world.installed("ClusterPolicy")))
    world.late += row.approved_ends_at - world.now()

    assert exception_ends.end_expired(now=world.now()) == 0
    row.refresh_from_db()
    assert (row.status, row.ending_at) == (S.APPROVED, None)
    assert carry(world, row) is RolloutStatus.PROVEN
    assert exception_ends.end_expired(now=world.now()) == 1


def test_exception_whose_end_came_while_it_waited_is_not_begun(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-b", override="agreed"))
    row = approved(world, asked(world, variant))
    world.run(flip)
    world.late += row.approved_ends_at - world.now()

    assert carry(world, row) is None
    assert (row.status, row.flips.count()) == (S.APPROVED, 0)


def test_rollback_goes_ahead_of_an_end_which_comes_after_it(
    world: SandboxWorld, target: str
) -> None:
    variant = enforced(world, target)
    row = in_force(world, variant)
    expire(world, row)
    exception_rollouts.carry_out(exception_id=row.pk, now=world.now())

    assert world.roll_back(variant, "team-a") is RolloutStatus.PROVEN
    row.refresh_from_db()
    assert (row.status, row.attempt_count) == (S.ENDING, 0)
    assert last_flip(row).status == "superseded"
    assert carry(world, row) is RolloutStatus.PROVEN, last_flip(row).closing_message

    assert row.status == S.ENDED


def test_attempt_that_somebody_else_overtakes_while_it_is_planned_is_dropped(
    world: SandboxWorld, hand: Hand
) -> None:
    row = in_force(world, world.installed("ClusterPolicy"))
    expire(world, row)

    def overtake(call: str, _: str) -> None:
        if call == "try":
            ExceptionRequest.objects.filter(pk=row.pk).update(revision=7)

    hand.before = overtake
    exception_rollouts.carry_out(exception_id=row.pk, now=world.now())

    row.refresh_from_db()
    assert (row.status, row.flips.count(), row.attempt_count) == (S.ENDING, 1, 0)
    hand.free()
    assert carry(world, row) is RolloutStatus.PROVEN


def test_gates_that_cannot_be_answered_are_open(world: SandboxWorld) -> None:
    variant = enforced(world, "ClusterPolicy")
    row = in_force(world, variant)
    PostureTally.objects.filter(cluster=world.cluster, namespace="").delete()

    with pytest.raises(Refused) as refusal:
        end(world, row)

    assert refusal.value.details == (
        "team-a: Not judged under these parameters yet: collect again.",
    )


def test_namespace_that_no_collection_knows_has_no_gates(world: SandboxWorld) -> None:
    variant = enforced(world, "ClusterPolicy")
    row = in_force(world, variant)
    ObservedNamespace.objects.filter(cluster=world.cluster, name="team-a").delete()

    expire(world, row)
    assert carry(world, row) is RolloutStatus.PROVEN

    assert last_flip(row).plan["gates"] == []
