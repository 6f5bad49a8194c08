"""Roll-outs whose workers die anywhere, and what the next worker makes of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from policies.actions import rollouts
from policies.actions.rollouts import CLAIM_LASTS
from policies.domain.lifecycle import FlipStatus, RolloutStatus, StepKind
from policies.models import AuditEvent, Flip, Rollout, Stage
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.rolling import (
    TWINS,
    Countdown,
    Killed,
    at_step,
    ready_to_enforce,
    run,
)
from tests.integration.actions.watched import Hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("little_patience")]


def resume(world: SandboxWorld, flip: Flip) -> RolloutStatus:
    """What the reconcile task and another worker do once the claim has run out."""
    assert str(flip.rollout.pk) not in rollouts.due_rollouts(now=world.now())
    assert run(world, flip, worker="early") is RolloutStatus.RUNNING
    world.late += CLAIM_LASTS
    assert str(flip.rollout.pk) in rollouts.due_rollouts(now=world.now())
    return run(world, flip, worker="second")


@contextmanager
def killing_statements(countdown: Countdown) -> Iterator[None]:
    """Count the statements that change a row, instead of calls."""

    def execute(carry_out: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            countdown()
        return carry_out(sql, *rest)

    with connection.execute_wrapper(execute):
        yield


def check_proven_once(world: SandboxWorld, flip: Flip, hand: Hand, target: str) -> None:
    assert Counter(hand.writes) == Counter(("create", name) for name in TWINS[target])
    flip.refresh_from_db()
    assert flip.status == FlipStatus.PROVEN
    assert Stage.objects.get(namespace="team-a").value == Stage.Value.ENFORCE
    assert set(flip.rollout.steps.values_list("status", flat=True)) == {"done"}
    hand.free()
    assert world.roll_back(flip.variant, "team-a") is RolloutStatus.PROVEN


def test_worker_killed_at_any_call_is_resumed_and_writes_each_object_once(
    world: SandboxWorld, hand: Hand, target: str
) -> None:
    variant = world.installed(target)
    for calls in range(100):
        flip = ready_to_enforce(world, variant, hand)
        hand.after = kill = Countdown(calls)
        try:
            assert run(world, flip, sleep=kill) is RolloutStatus.PROVEN
        except Killed:
            assert resume(world, flip) is RolloutStatus.PROVEN
            resumed = AuditEvent.objects.filter(verb="rollout.resumed", flip_id=str(flip.pk))
            assert resumed.count() == 1
        check_proven_once(world, flip, hand, target)
        if kill.left >= 0:
            break
    assert 15 < calls < 99


def test_worker_killed_at_any_row_is_resumed_and_writes_each_object_once(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    for statements in range(200):
        flip = ready_to_enforce(world, variant, hand)
        kill = Countdown(statements)
        try:
            with killing_statements(kill):
                assert run(world, flip) is RolloutStatus.PROVEN
        except Killed:
            world.late += CLAIM_LASTS
            assert run(world, flip, worker="second") is RolloutStatus.PROVEN
        check_proven_once(world, flip, hand, "ClusterPolicy")
        if kill.left >= 0:
            break
    assert 20 < statements < 199


def test_worker_that_dies_over_and_over_gives_the_rollout_up(
    world: SandboxWorld, hand: Hand
) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)
    for _ in range(rollouts.CLAIMS_ALLOWED):
        hand.before = Countdown(0)
        with pytest.raises(Killed):
            run(world, flip)
        world.late += CLAIM_LASTS

    assert run(world, flip) is RolloutStatus.FAILED

    flip.refresh_from_db()
    assert flip.status == FlipStatus.FAILED
    assert "plan again or roll back" in flip.closing_message
    assert rollouts.due_rollouts(now=world.now()) == ()
    assert run(world, flip) is RolloutStatus.FAILED


def test_worker_that_lost_its_claim_writes_nothing_down(world: SandboxWorld, hand: Hand) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)

    def take_over() -> None:
        Rollout.objects.filter(pk=flip.rollout.pk).update(
            claimed_by="second", claim_ends_at=world.now() + CLAIM_LASTS
        )

    hand.before = at_step(flip, StepKind.CHECK, take_over)

    assert run(world, flip) is RolloutStatus.RUNNING

    assert hand.writes == []
    assert flip.rollout.steps.get(kind="check").status == "running"
    world.late += CLAIM_LASTS
    assert run(world, flip, worker="third") is RolloutStatus.PROVEN


def test_rollout_that_was_taken_over_at_its_end_is_not_ended_twice(
    world: SandboxWorld, hand: Hand
) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)

    asked: list[str] = []

    def before(call: str, what: str) -> None:
        neighbour = flip.rollout.steps.filter(kind="prove-neighbour", status="running")
        if call == "ask" and neighbour.exists():
            asked.append(what)
        if len(asked) == 3:
            Rollout.objects.filter(pk=flip.rollout.pk).update(status="superseded")

    hand.before = before

    assert run(world, flip) is RolloutStatus.SUPERSEDED
    assert not Stage.objects.exists()
