"""Rollbacks in the sandbox: ahead of whatever is under way, and over only when nothing denies any more."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from policies.actions.errors import Busy, Refused
from policies.actions.rollouts import CLAIM_LASTS
from policies.actions.starting import supersede_active_rollout
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, StepKind
from policies.models import AuditEvent, Flip, ObservedPolicy, Rollout, Stage
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.rolling import (
    Countdown,
    Killed,
    at_step,
    ready_to_enforce,
    roll_back,
    run,
)
from tests.integration.actions.watched import Hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("little_patience")]


@pytest.mark.parametrize(
    "kind", [StepKind.CHECK, StepKind.APPLY, StepKind.READ_BACK, StepKind.PROVE_REFUSED]
)
def test_rollback_goes_ahead_of_a_running_rollout(
    world: SandboxWorld, hand: Hand, target: str, kind: StepKind
) -> None:
    variant = world.installed(target)
    flip = ready_to_enforce(world, variant, hand)
    back: list[Flip] = []
    hand.before = at_step(flip, kind, lambda: back.append(roll_back(world, variant)))

    assert run(world, flip) is RolloutStatus.SUPERSEDED

    flip.refresh_from_db()
    assert flip.status == FlipStatus.SUPERSEDED
    assert "operator rolled back" in flip.rollout.message
    assert run(world, back[0]) is RolloutStatus.PROVEN
    assert not ObservedPolicy.objects.filter(role__in=["twin", "companion"]).exists()
    assert Stage.objects.get(namespace="team-a").value == Stage.Value.AUDIT
    world.collect()
    assert not ObservedPolicy.objects.filter(role__in=["twin", "companion"]).exists()


def test_rollback_removes_what_the_other_worker_wrote_after_the_click(
    world: SandboxWorld, hand: Hand, target: str
) -> None:
    variant = world.installed(target)
    flip = ready_to_enforce(world, variant, hand)
    back: list[Flip] = []

    def before(call: str, _what: str) -> None:
        if call == "write" and not back:
            back.append(roll_back(world, variant))

    hand.before = before

    assert run(world, flip) is RolloutStatus.SUPERSEDED
    assert hand.writes == [("create", "require-seccomp-enforce")]
    applied = flip.rollout.steps.filter(kind="apply").order_by("position").first()
    assert applied is not None
    assert applied.status == "done"

    assert run(world, back[0]) is RolloutStatus.PROVEN
    assert hand.writes[1:] == [("delete", "require-seccomp-enforce")]


def test_rollback_waits_until_the_other_worker_is_surely_gone(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    flip = ready_to_enforce(world, variant, hand)
    hand.before = Countdown(3)
    with pytest.raises(Killed):
        run(world, flip)
    hand.free()
    back = roll_back(world, variant)
    clicked_at = world.now()

    assert run(world, back) is RolloutStatus.PROVEN

    first = back.rollout.steps.order_by("position").first()
    assert first is not None
    assert first.started_at is not None
    assert first.started_at - clicked_at > CLAIM_LASTS - timedelta(seconds=2)


def test_rollback_while_a_rollback_runs_is_busy(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    roll_back(world, variant)

    with pytest.raises(Busy, match="under way already"):
        roll_back(world, variant)


def test_rollout_that_ends_at_the_same_moment_is_not_superseded(
    world: SandboxWorld, hand: Hand
) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)
    left = [True]

    def end_it_first(carry_out: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "policies_rollout" ') and left:
            left.pop()
            Rollout.objects.filter(pk=flip.rollout.pk).update(status="proven")
        return carry_out(sql, *rest)

    with connection.execute_wrapper(end_it_first):
        supersede_active_rollout(flip.variant_id, by=world.people.operator, now=world.now())

    flip.refresh_from_db()
    assert flip.status == FlipStatus.APPROVED
    assert not AuditEvent.objects.filter(verb="rollout.superseded").exists()


def test_approved_flip_of_a_variant_waits_for_a_rollback(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    flip = world.request(variant, FlipVerb.ENFORCE, "team-b")
    roll_back(world, variant)

    with pytest.raises(Busy, match="approve when it has ended"):
        world.approve(flip)

    flip.refresh_from_db()
    assert flip.status == FlipStatus.REQUESTED


def test_twins_of_every_namespace_are_given_up_one_by_one(
    world: SandboxWorld, hand: Hand, target: str
) -> None:
    variant = world.installed(target)
    world.flip(variant, FlipVerb.ENFORCE, "team-a", "team-b")

    assert world.roll_back(variant, "team-a") is RolloutStatus.PROVEN

    assert {tuple(p.enforced) for p in ObservedPolicy.objects.filter(role="twin")} == {("team-b",)}
    with pytest.raises(Refused, match="nothing to roll back"):
        world.roll_back(variant, "team-a")
    assert world.roll_back(variant, "team-b") is RolloutStatus.PROVEN
    assert not ObservedPolicy.objects.filter(role__in=["twin", "companion"]).exists()
