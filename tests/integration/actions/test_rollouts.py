"""Roll-outs in the sandbox: steps that wait, fail or go stale, and proof by our own word alone."""

import pytest
from pytest_django import Settings

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
from policies.models import AuditEvent, Rollout, Stage
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.rolling import (
    at_step,
    ready_to_enforce,
    run,
)
from tests.integration.actions.watched import Hand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("little_patience")]


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
    kyverno_target: str,
    kind: StepKind,
    status: RolloutStatus,
    written: bool,
) -> None:
    settings.SECPROF_PROOF_TIMEOUT_SECONDS = 0.2
    flip = ready_to_enforce(world, world.installed(kyverno_target), hand)
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
