"""Workers that die while an exception is put into force or ended: each object is written once all the same."""

from collections.abc import Callable

import pytest

from policies.actions import exception_ends, exception_rollouts
from policies.actions.rollouts import CLAIM_LASTS
from policies.domain.lifecycle import ExceptionStatus, RolloutStatus
from policies.models import ExceptionRequest, Flip, Rollout, Variant
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import approved, asked, expire, heed, last_flip, trail
from tests.integration.actions.rolling import Countdown, Killed, run
from tests.integration.actions.test_rollout_deaths import killing_statements, resume
from tests.integration.actions.watched import Hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("little_patience")]


def wrote(row: ExceptionRequest, verb: str) -> list[tuple[str, str]]:
    """What the server carries out, once: an object beside the policies, or the policy itself."""
    if row.variant.target == "ValidatingAdmissionPolicy":
        return [("replace", row.variant.name)]
    return [(verb, f"secprof-{row.key}")]


def put_into_force(world: SandboxWorld, variant: Variant) -> ExceptionRequest:
    return approved(world, asked(world, variant))


def begin_end(world: SandboxWorld, row: ExceptionRequest) -> None:
    expire(world, row)
    exception_rollouts.carry_out(exception_id=row.pk, now=world.now())


def check(row: ExceptionRequest, status: ExceptionStatus, hand: Hand, verb: str) -> None:
    assert hand.writes == wrote(row, verb)
    row.refresh_from_db()
    assert row.status == status
    assert set(last_flip(row).rollout.steps.values_list("status", flat=True)) == {"done"}
    ends = {"exception.in_force", "exception.ended"}
    told = [each for each in trail(row) if each in ends]
    assert len(told) == len(set(told)) == (1 if status is ExceptionStatus.IN_FORCE else 2)


def test_worker_killed_at_any_call_is_resumed_and_writes_each_object_once(
    world: SandboxWorld, hand: Hand, target: str
) -> None:
    heed(world)
    variant = world.installed(target)

    def take(flip: Flip, calls: int) -> bool:
        """Run until killed at this call, resume, and say whether it came to that."""
        hand.writes.clear()
        hand.after = kill = Countdown(calls)
        try:
            assert run(world, flip, sleep=kill) is RolloutStatus.PROVEN
        except Killed:
            assert resume(world, flip) is RolloutStatus.PROVEN
        hand.free()
        return kill.left < 0

    for calls in range(100):
        row = put_into_force(world, variant)
        killed = take(last_flip(row), calls)
        check(row, ExceptionStatus.IN_FORCE, hand, "create")
        begin_end(world, row)
        killed = take(last_flip(row), calls) or killed
        check(row, ExceptionStatus.ENDED, hand, "delete")
        if not killed:
            break
    assert 10 < calls < 99


def test_worker_killed_at_any_row_is_resumed_and_writes_each_object_once(
    world: SandboxWorld, hand: Hand
) -> None:
    heed(world)
    variant = world.installed("ClusterPolicy")

    def take(flip: Flip, statements: int) -> bool:
        hand.writes.clear()
        kill = Countdown(statements)
        try:
            with killing_statements(kill):
                assert run(world, flip) is RolloutStatus.PROVEN
        except Killed:
            world.late += CLAIM_LASTS
            assert run(world, flip, worker="second") is RolloutStatus.PROVEN
        return kill.left < 0

    for statements in range(200):
        row = put_into_force(world, variant)
        killed = take(last_flip(row), statements)
        check(row, ExceptionStatus.IN_FORCE, hand, "create")
        begin_end(world, row)
        killed = take(last_flip(row), statements) or killed
        check(row, ExceptionStatus.ENDED, hand, "delete")
        if not killed:
            break
    assert 20 < statements < 199


def test_worker_killed_while_it_begins_an_attempt_leaves_it_due(
    world: SandboxWorld, hand: Hand
) -> None:
    heed(world)
    row = put_into_force(world, world.installed("ClusterPolicy"))
    assert run(world, last_flip(row)) is RolloutStatus.PROVEN
    expire(world, row)

    for statements in range(50):
        kill = Countdown(statements)
        try:
            with killing_statements(kill):
                exception_rollouts.carry_out(exception_id=row.pk, now=world.now())
        except Killed:
            assert exception_rollouts.due_exceptions(now=world.now()) == (str(row.pk),)
            assert Rollout.objects.filter(flip__exception=row).count() == 1
        if kill.left >= 0:
            break
    assert 3 < statements < 49
    assert run(world, last_flip(row)) is RolloutStatus.PROVEN


@pytest.mark.parametrize(
    "beat",
    [exception_ends.end_expired, exception_ends.announce_ends],
    ids=["end_expired", "announce_ends"],
)
def test_beat_killed_at_any_row_is_made_up_for_by_the_next(
    world: SandboxWorld, hand: Hand, beat: Callable[..., int]
) -> None:
    heed(world)
    row = put_into_force(world, world.installed("ClusterPolicy"))
    assert run(world, last_flip(row)) is RolloutStatus.PROVEN
    row.refresh_from_db()
    world.late += row.approved_ends_at - world.now()
    if beat is exception_ends.announce_ends:
        world.late -= CLAIM_LASTS
    before = trail(row)

    for statements in range(20):
        kill = Countdown(statements)
        try:
            with killing_statements(kill):
                assert beat(now=world.now()) == 1
            break
        except Killed:
            assert trail(row) == before
    assert 0 < statements < 19
    assert beat(now=world.now()) == 0
    assert len(trail(row)) == len(before) + 1
