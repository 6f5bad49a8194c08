"""Roll-outs in the sandbox: resumed after a death anywhere, stopped by a rollback, and proven only by our own word."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from policies.actions import flips, rollouts, steps
from policies.actions.errors import Busy, Refused
from policies.actions.rollouts import CLAIM_LASTS
from policies.actions.starting import supersede_active_rollout
from policies.cluster.errors import (
    ClusterError,
    Conflict,
    EngineDown,
    Forbidden,
    RejectedByAdmission,
    Unreachable,
)
from policies.cluster.gateway import CLUSTER_POLICIES, NAMESPACES
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, StepKind
from policies.models import AuditEvent, Flip, ObservedPolicy, Rollout, Stage, Variant
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand

pytestmark = pytest.mark.django_db

TWINS = {
    "ClusterPolicy": ["require-seccomp-enforce"],
    "ValidatingPolicy": ["require-seccomp-enforce", "require-seccomp-enforce-debug"],
}


class Killed(BaseException):
    """The worker is gone, as after kill -9: nothing of its own runs after this."""


class Countdown:
    """Kills at the call of its own after this many that went well."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __call__(self, *_: object) -> None:
        if self.left == 0:
            self.left = -1
            raise Killed
        self.left -= 1


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PATIENCE_SECONDS", 0.05)


def run(
    world: SandboxWorld,
    flip: Flip,
    *,
    worker: str = "worker",
    sleep: Callable[[float], None] | None = None,
) -> RolloutStatus:
    def pass_time(seconds: float) -> None:
        world.late += timedelta(seconds=seconds)

    return rollouts.run(
        rollout_id=flip.rollout.pk, worker=worker, clock=world.now, sleep=sleep or pass_time
    )


def ready_to_enforce(world: SandboxWorld, variant: Variant, hand: Hand) -> Flip:
    world.collect()
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    hand.writes.clear()
    return flip


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


def at_step(flip: Flip, kind: StepKind, act: Callable[[], object]) -> Callable[[str, str], None]:
    """Do something once, at the first call of this step."""
    done: list[bool] = []

    def before(_call: str, _what: str) -> None:
        running = flip.rollout.steps.filter(kind=kind.value, status="running")
        if not done and running.exists():
            done.append(True)
            act()

    return before


@pytest.mark.parametrize(
    ("kind", "status", "written"),
    [
        (StepKind.CHECK, RolloutStatus.FAILED, False),
        (StepKind.DRY_RUN, RolloutStatus.FAILED, False),
        (StepKind.APPLY, RolloutStatus.FAILED, False),
        (StepKind.READ_BACK, RolloutStatus.FAILED, True),
        (StepKind.PROVE_REFUSED, RolloutStatus.FAILED, True),
        (StepKind.PROVE_ADMITTED, RolloutStatus.FAILED, True),
    ],
)
def test_engine_down_at_a_step_fails_with_that_reason(
    world: SandboxWorld,
    hand: Hand,
    settings: Settings,
    target: str,
    kind: StepKind,
    status: RolloutStatus,
    written: bool,
) -> None:
    settings.SECPROF_PROOF_TIMEOUT_SECONDS = 0.2
    flip = ready_to_enforce(world, world.installed(target), hand)
    hand.before = at_step(flip, kind, lambda: world.sandbox.set_fault(Fault.ENGINE_DOWN))

    assert run(world, flip) is status

    flip.refresh_from_db()
    assert "engine down" in flip.closing_message.lower()
    assert bool(hand.writes) is written
    assert not Stage.objects.exists()
    failed = flip.rollout.steps.get(status="failed")
    assert "engine down" in failed.detail.lower()
    assert AuditEvent.objects.filter(verb="rollout.failed", outcome="failed").exists()


def test_engine_that_comes_back_in_a_moment_is_waited_for(world: SandboxWorld, hand: Hand) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)
    failures = [Unreachable("away"), EngineDown("away")]

    def before(call: str, _what: str) -> None:
        if call == "write" and failures:
            raise failures.pop()

    hand.before = before

    assert run(world, flip) is RolloutStatus.PROVEN
    assert hand.writes == [("create", "require-seccomp-enforce")]


def test_conflict_with_the_engine_is_written_again_and_a_lasting_one_fails(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    flip = ready_to_enforce(world, variant, hand)
    left = [True]

    def before(call: str, _what: str) -> None:
        if call == "write" and left:
            left.pop()
            raise Conflict("modified")

    hand.before = before
    assert run(world, flip) is RolloutStatus.PROVEN
    hand.free()
    world.roll_back(variant, "team-a")

    flip = ready_to_enforce(world, variant, hand)

    def always(call: str, _what: str) -> None:
        if call == "write":
            raise Conflict("modified")

    hand.before = always

    assert run(world, flip) is RolloutStatus.FAILED
    assert hand.writes == []


QUOTA = RejectedByAdmission("exceeded quota", webhook="", raw="pods is forbidden: exceeded quota")
OTHER = RejectedByAdmission(
    "no", webhook="policy.example.com", raw='webhook "policy.example.com" denied: unwanted'
)
SOMEBODYS_POLICY = RejectedByAdmission(
    "no",
    webhook="vpol.validate.kyverno.svc-fail",
    raw='admission webhook "vpol.validate.kyverno.svc-fail" denied the request: Policy theirs failed: no',
)
POLICY_ERROR = RejectedByAdmission(
    "no",
    webhook="vpol.validate.kyverno.svc-fail",
    raw='admission webhook "vpol.validate.kyverno.svc-fail" denied the request: '
    "Policy require-seccomp-enforce error: no such key",
)
DOWN = EngineDown("Engine down: no endpoints", webhook="validate.kyverno.svc-fail")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (QUOTA, "refused by something else, which proves nothing"),
        (OTHER, "refused by something else, which proves nothing"),
        (SOMEBODYS_POLICY, "refused by something else, which proves nothing"),
        (POLICY_ERROR, "error in the policy, which proves nothing"),
        (DOWN, "engine down"),
        (Unreachable("cut off"), "engine down. cut off"),
    ],
)
@pytest.mark.parametrize("kind", [StepKind.PROVE_REFUSED, StepKind.PROVE_ADMITTED])
def test_answer_of_anything_else_is_no_proof(
    world: SandboxWorld,
    hand: Hand,
    settings: Settings,
    kind: StepKind,
    answer: ClusterError,
    says: str,
) -> None:
    settings.SECPROF_PROOF_TIMEOUT_SECONDS = 2
    flip = ready_to_enforce(world, world.installed("ValidatingPolicy"), hand)

    def before(call: str, _what: str) -> None:
        running = flip.rollout.steps.filter(kind=kind.value, status="running")
        if call == "ask" and running.exists():
            raise answer

    hand.before = before

    assert run(world, flip) is RolloutStatus.FAILED

    flip.refresh_from_db()
    assert flip.closing_message.startswith("Not proven in team-a within 2 s")
    assert says in flip.closing_message
    assert not Stage.objects.exists()
    assert AuditEvent.objects.filter(verb="rollout.apply", outcome="ok").exists()


def test_proof_without_time_for_an_answer_fails(
    world: SandboxWorld, hand: Hand, settings: Settings
) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)
    settings.SECPROF_PROOF_TIMEOUT_SECONDS = 0

    assert run(world, flip) is RolloutStatus.FAILED

    flip.refresh_from_db()
    assert "got no answer" in flip.closing_message


def test_proof_needs_three_answers_in_a_row(world: SandboxWorld, hand: Hand) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)
    asked: list[str] = []

    def before(call: str, _what: str) -> None:
        running = flip.rollout.steps.filter(kind="prove-refused", status="running")
        if call == "ask" and running.exists():
            asked.append(call)
            if len(asked) == 3:
                raise QUOTA

    hand.before = before

    assert run(world, flip) is RolloutStatus.PROVEN

    assert len(asked) == 6
    step = flip.rollout.steps.get(kind="prove-refused")
    assert step.agreed == 3
    assert step.detail == "The bad pod is refused by require-seccomp-enforce, 3 of 3."


def test_cluster_that_forbids_the_probe_fails_the_rollout(world: SandboxWorld, hand: Hand) -> None:
    flip = ready_to_enforce(world, world.installed("ClusterPolicy"), hand)

    def before(call: str, what: str) -> None:
        if call == "ask" and what == "team-a" and hand.writes:
            raise Forbidden("may not create pods")

    hand.before = before

    assert run(world, flip) is RolloutStatus.FAILED
    flip.refresh_from_db()
    assert flip.closing_message == "may not create pods"


def test_every_namespace_enforced_leaves_no_neighbour_to_ask(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)

    status = world.flip(variant, FlipVerb.ENFORCE, "team-a", "team-b")

    assert status is RolloutStatus.PROVEN
    step = Rollout.objects.get(flip__verb="enforce").steps.get(kind="prove-neighbour")
    assert (step.status, step.namespace) == ("skipped", "")


def test_object_edited_at_a_step_is_stale_and_nothing_more_is_written(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    for kind, written in ((StepKind.DRY_RUN, 0), (StepKind.APPLY, 0), (StepKind.READ_BACK, 1)):
        world.collect()
        flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-b"))
        hand.writes.clear()
        hand.before = at_step(flip, kind, lambda: edit_twin(world))

        assert run(world, flip) is RolloutStatus.STALE

        flip.refresh_from_db()
        assert flip.status == FlipStatus.STALE
        assert "changed" in flip.closing_message
        assert len(hand.writes) == written
        hand.free()
        # The way out of a hand's edit is a rollback, or to install again.
        assert world.roll_back(variant, "team-a", "team-b") is RolloutStatus.PROVEN
        assert world.flip(variant, FlipVerb.ENFORCE, "team-a") is RolloutStatus.PROVEN


def edit_twin(world: SandboxWorld) -> None:
    manifest = world.sandbox.get(CLUSTER_POLICIES, "require-seccomp-enforce")
    manifest["spec"].setdefault("webhookConfiguration", {})["timeoutSeconds"] = 7
    world.sandbox.apply_manifest(manifest)


def test_ground_that_makes_no_sense_any_more_is_stale(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    flip = ready_to_enforce(world, variant, hand)
    world.sandbox.delete(NAMESPACES, "team-a")
    world.collect()

    assert run(world, flip) is RolloutStatus.STALE

    flip.refresh_from_db()
    assert "has no namespace team-a" in flip.closing_message


def roll_back(world: SandboxWorld, variant: Variant) -> Flip:
    return flips.roll_back(
        variant_id=variant.pk,
        namespaces=["team-a"],
        reason="a customer waits",
        by=world.people.operator,
        now=world.now(),
    )


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
    assert not ObservedPolicy.objects.exclude(role="audit").exists()
