"""The main job in the sandbox: install, flip, prove, roll back, and every refusal on the way."""

from contextlib import suppress

import pytest
from django.db import IntegrityError, transaction

from policies.actions import flips, rollouts
from policies.actions.errors import Busy, Refused
from policies.actions.specs import resource_of
from policies.actions.step_run import Outcome, StepRun
from policies.cluster.errors import NotFound
from policies.cluster.gateway import NATIVE_BINDINGS
from policies.domain.authority import NotAllowed
from policies.domain.library import Target
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, StepKind, WrongState
from policies.domain.readiness import Verdict
from policies.models import AuditEvent, Flip, ObservedPolicy, RolloutStep, Stage, Variant
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, deployment

pytestmark = pytest.mark.django_db


def test_flip_of_a_ready_namespace_is_proven_and_rolled_back(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    assert world.verdict(variant, "team-a").verdict is Verdict.READY

    status = world.flip(variant, FlipVerb.ENFORCE, "team-a")

    assert status is RolloutStatus.PROVEN
    stage = Stage.objects.get(variant=variant, namespace="team-a")
    assert stage.value == Stage.Value.ENFORCE
    assert not Stage.objects.filter(namespace="team-b").exists()
    assert ObservedPolicy.objects.filter(role="twin", enforced=["team-a"]).count() == 1

    assert world.roll_back(variant, "team-a") is RolloutStatus.PROVEN
    assert Stage.objects.get(variant=variant, namespace="team-a").value == Stage.Value.AUDIT
    assert not ObservedPolicy.objects.filter(role__in=["twin", "companion"]).exists()
    verbs = list(AuditEvent.objects.order_by("id").values_list("verb", flat=True))
    for verb in (
        "flip.requested",
        "flip.approved",
        "rollout.apply",
        "rollout.prove-refused",
        "rollout.proven",
        "flip.rolled_back",
    ):
        assert verb in verbs


def test_request_without_override_in_blocked_namespace_is_refused(
    world: SandboxWorld, target: str
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    variant = world.installed(target)
    assert world.verdict(variant, "team-a").verdict is Verdict.BLOCKED

    with pytest.raises(Refused, match="gates do not pass") as refusal:
        world.request(variant, FlipVerb.ENFORCE, "team-a")

    assert any("1 workload" in detail for detail in refusal.value.details)
    assert world.flip(variant, FlipVerb.ENFORCE, "team-a", override="agreed with the team") is (
        RolloutStatus.PROVEN
    )


def test_approve_own_request_is_refused_in_action_and_in_database(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    plan = world.plan(variant, FlipVerb.ENFORCE, "team-a")
    flip = flips.request(
        variant_id=variant.pk,
        verb=FlipVerb.ENFORCE,
        namespaces=["team-a"],
        plan_digest=plan.digest,
        reason="r",
        override_reason="",
        by=world.people.admin,
        now=world.now(),
    )

    with pytest.raises(NotAllowed, match="somebody else"):
        flips.approve(
            flip_id=flip.pk,
            plan_digest=flip.plan_digest,
            comment="",
            by=world.people.admin,
            now=world.now(),
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Flip.objects.filter(pk=flip.pk).update(
            status="approved", decided_by_id=world.people.admin.user_id, decided_at=world.now()
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Flip.objects.filter(pk=flip.pk).update(status="approved")


def test_policy_edited_by_hand_before_approval_makes_the_flip_stale(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    flip = world.request(variant, FlipVerb.ENFORCE, "team-a")
    edit_audit_policy(world, variant)

    with pytest.raises(Refused, match="moved") as refusal:
        world.approve(flip)

    assert any("was changed" in sentence for sentence in refusal.value.details)
    flip.refresh_from_db()
    assert flip.status == FlipStatus.STALE
    assert not ObservedPolicy.objects.filter(role="twin").exists()


def test_policy_edited_by_hand_between_approval_and_apply_writes_nothing(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    edit_audit_policy(world, variant)

    assert world.run(flip) is RolloutStatus.STALE

    flip.refresh_from_db()
    assert "was changed" in flip.closing_message
    assert not flip.rollout.steps.filter(kind="apply").exclude(status="pending").exists()


def edit_audit_policy(world: SandboxWorld, variant: Variant) -> None:
    manifest = world.sandbox.get(resource_of(variant.target, variant.api_version), variant.name)
    if variant.target == Target.NATIVE:
        manifest["spec"]["failurePolicy"] = "Ignore"
    else:
        manifest["spec"].setdefault("webhookConfiguration", {})["timeoutSeconds"] = 7
    world.sandbox.apply_manifest(manifest)


def test_engine_down_refuses_the_flip_with_that_reason(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = world.installed(kyverno_target)
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    with pytest.raises(Exception, match="(?i)engine down"):
        world.request(variant, FlipVerb.ENFORCE, "team-a")

    world.collect()
    world.cluster.refresh_from_db()
    assert world.cluster.engine_state == "down"


def test_second_open_flip_of_a_variant_is_refused(world: SandboxWorld, target: str) -> None:
    variant = world.installed(target)
    world.request(variant, FlipVerb.ENFORCE, "team-a")

    with pytest.raises(Busy, match="open"):
        world.request(variant, FlipVerb.ENFORCE, "team-b")


def test_approve_twice_second_is_told(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))

    with pytest.raises(WrongState):
        world.approve(flip)


def test_rollout_without_proof_is_failed_and_writes_no_stage(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    status = world.run(flip)

    assert status in {RolloutStatus.FAILED, RolloutStatus.STALE}
    assert not Stage.objects.exists()


def test_rollback_that_is_not_proven_leaves_nothing_called_enforced(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    assert world.flip(variant, FlipVerb.ENFORCE, "team-a") is RolloutStatus.PROVEN
    back = flips.roll_back(
        variant_id=variant.pk,
        namespaces=["team-a"],
        reason="a customer waits",
        by=world.people.operator,
        now=world.now(),
    )
    real = rollouts.take_step

    def without_proof(run: StepRun, step: RolloutStep) -> Outcome:
        if step.kind == StepKind.PROVE_WARNED:
            world.sandbox.set_fault(Fault.API_SERVER_DOWN)
        return real(run, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollouts, "take_step", without_proof)
        status = world.run(back)

    assert status is RolloutStatus.FAILED
    assert not Stage.objects.filter(value=Stage.Value.ENFORCE).exists()


def test_native_policy_is_asked_of_the_api_server_whatever_becomes_of_kyverno(
    world: SandboxWorld, hand: Hand
) -> None:
    native = world.installed("ValidatingAdmissionPolicy")
    world.sandbox.set_fault(Fault.ENGINE_DOWN)
    world.collect()
    assert world.verdict(native, "team-a").verdict is Verdict.READY
    assert world.flip(native, FlipVerb.ENFORCE, "team-a") is RolloutStatus.PROVEN

    hand.before = lambda call, _: unbind(world) if call == "ask" else None
    plan = world.plan(native, FlipVerb.ENFORCE, "team-b")

    engine = next(gate for gate in plan.gates if gate.gate == "engine")
    assert engine.outcome == "fail"
    assert "so the API server does not judge pods" in engine.sentence


def unbind(world: SandboxWorld) -> None:
    """Take away what makes the API server judge, behind the back of everybody."""
    for name in ("require-seccomp-audit", "require-seccomp-enforce"):
        with suppress(NotFound):
            world.sandbox.delete(NATIVE_BINDINGS, name)
