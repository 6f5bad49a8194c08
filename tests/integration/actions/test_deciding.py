"""Every refusal around a flip: who may decide, on what, when, and what is said when somebody was faster."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from policies.actions import flips
from policies.actions.errors import Busy, Refused
from policies.cluster.errors import NotFound, RejectedByAdmission, TimedOut
from policies.cluster.gateway import CLUSTER_POLICIES, NAMESPACES, Resource
from policies.domain.authority import SYSTEM, NotAllowed
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, WrongState
from policies.domain.plans import Plan
from policies.domain.readiness import Verdict
from policies.models import AuditEvent, Flip, KindSnapshot, Stage, Variant, VariantRevision
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, deployment

pytestmark = pytest.mark.django_db


@pytest.fixture
def variant(world: SandboxWorld) -> Variant:
    return world.installed("ClusterPolicy")


@pytest.fixture
def flip(world: SandboxWorld, variant: Variant) -> Flip:
    return world.request(variant, FlipVerb.ENFORCE, "team-a")


def request(world: SandboxWorld, variant: Variant, **changes: Any) -> Flip:
    values: dict[str, Any] = {
        "variant_id": variant.pk,
        "verb": FlipVerb.ENFORCE,
        "namespaces": ["team-a"],
        "plan_digest": "",
        "reason": "because",
        "override_reason": "",
        "by": world.people.operator,
        "now": world.now(),
    }
    return flips.request(**values | changes)


def test_request_writes_down_plan_reason_and_override(
    world: SandboxWorld, variant: Variant
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    world.collect()
    plan = world.plan(variant, FlipVerb.ENFORCE, "team-a")

    flip = request(world, variant, plan_digest=plan.digest, reason=" now ", override_reason=" ok ")

    assert (flip.reason, flip.override_reason, flip.plan_digest) == ("now", "ok", plan.digest)
    assert Plan.from_json(flip.plan).open_gates == plan.open_gates
    event = AuditEvent.objects.get(verb="flip.requested", flip_id=str(flip.pk))
    assert event.plan_digest == plan.digest
    assert event.details == {"asks": "enforce", "override_reason": "ok"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"reason": "  "}, "Say why"),
        ({"verb": FlipVerb.ROLLBACK}, "roll back at once"),
        ({"plan_digest": "other"}, "Look again, then request"),
        ({"namespaces": []}, "at least one namespace"),
        ({"namespaces": ["team-a", "nowhere"]}, "prod has no namespace nowhere"),
        ({"verb": FlipVerb.INSTALL}, "is on prod already"),
    ],
)
def test_request_of_what_makes_no_sense_is_refused(
    world: SandboxWorld, variant: Variant, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        request(world, variant, **changes)

    assert Flip.objects.count() == 1


def test_request_takes_an_operator_and_a_person(world: SandboxWorld, variant: Variant) -> None:
    for actor in (world.people.viewer, world.people.approver, SYSTEM):
        with pytest.raises(NotAllowed):
            request(world, variant, by=actor)


def test_request_through_a_hard_gate_is_refused_with_any_override(
    world: SandboxWorld, variant: Variant
) -> None:
    plan = world.plan(variant, FlipVerb.ENFORCE, "kyverno")

    with pytest.raises(Refused, match="Enforcing here has no effect") as refusal:
        request(
            world,
            variant,
            namespaces=["kyverno"],
            plan_digest=plan.digest,
            override_reason="I know better",
        )

    assert len(refusal.value.details) == 1


def test_enforce_where_it_is_proven_already_is_refused(
    world: SandboxWorld, variant: Variant
) -> None:
    world.flip(variant, FlipVerb.ENFORCE, "team-a")

    with pytest.raises(Refused, match="nothing is left to do"):
        world.plan(variant, FlipVerb.ENFORCE, "team-a")

    Stage.objects.all().delete()
    assert world.plan(variant, FlipVerb.ENFORCE, "team-a").changes == ()


def test_approve_another_digest_is_refused(world: SandboxWorld, flip: Flip) -> None:
    with pytest.raises(Refused, match="not the plan that you looked at"):
        flips.approve(
            flip_id=flip.pk,
            plan_digest="other",
            comment="",
            by=world.people.approver,
            now=world.now(),
        )


def test_gate_that_opens_before_approval_makes_the_flip_stale(
    world: SandboxWorld, flip: Flip
) -> None:
    KindSnapshot.objects.filter(kind="pods").update(failure="cut off")

    with pytest.raises(Refused, match="moved") as refusal:
        world.approve(flip)

    assert "team-a: the gate collection does not pass any more" in refusal.value.details[0]
    flip.refresh_from_db()
    assert flip.status == FlipStatus.STALE
    event = AuditEvent.objects.get(verb="flip.stale")
    assert (event.outcome, event.details["moved"]) == ("refused", list(refusal.value.details))
    with pytest.raises(WrongState, match="is stale"):
        world.approve(flip)


def test_lapsed_request_can_be_neither_approved_nor_declined(
    world: SandboxWorld, flip: Flip, settings: Settings
) -> None:
    world.late += timedelta(seconds=settings.SECPROF_APPROVAL_LAPSES_SECONDS)

    with pytest.raises(Refused, match="Ask for it again"):
        world.approve(flip)
    assert flips.lapse_old_requests(now=world.now()) == 1
    assert flips.lapse_old_requests(now=world.now()) == 0

    flip.refresh_from_db()
    assert (flip.status, flip.closing_message) == (FlipStatus.LAPSED, "Nobody decided in time.")
    assert AuditEvent.objects.get(verb="flip.lapsed").actor == "system"


def test_request_decided_at_the_moment_it_lapses_does_not_lapse(
    world: SandboxWorld, flip: Flip
) -> None:
    def decide_first(carry_out: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "policies_flip"') and "declined" not in str(rest):
            Flip.objects.filter(pk=flip.pk).update(status="declined")
        return carry_out(sql, *rest)

    with connection.execute_wrapper(decide_first):
        assert flips.lapse_old_requests(now=flip.lapses_at) == 0

    assert not AuditEvent.objects.filter(verb="flip.lapsed").exists()


def test_decline_needs_a_comment_and_another_person(world: SandboxWorld, flip: Flip) -> None:
    def decline(comment: str, by: Any) -> Flip:
        return flips.decline(flip_id=flip.pk, comment=comment, by=by, now=world.now())

    with pytest.raises(Refused, match="Say why you decline"):
        decline("  ", world.people.approver)
    with pytest.raises(NotAllowed):
        decline("no", world.people.operator)

    declined = decline(" not today ", world.people.approver)

    assert (declined.status, declined.comment) == (FlipStatus.DECLINED, "not today")
    assert declined.closed_at is not None
    assert AuditEvent.objects.get(verb="flip.declined").message == "not today"


def test_withdraw_is_for_the_requester_alone(world: SandboxWorld, flip: Flip) -> None:
    def withdraw(by: Any) -> Flip:
        return flips.withdraw(flip_id=flip.pk, by=by, now=world.now())

    for actor in (world.people.admin, world.people.approver, SYSTEM):
        with pytest.raises(NotAllowed):
            withdraw(actor)

    assert withdraw(world.people.operator).status == FlipStatus.WITHDRAWN
    with pytest.raises(WrongState):
        withdraw(world.people.operator)
    assert AuditEvent.objects.get(verb="flip.withdrawn").actor == "operator"


@pytest.mark.parametrize("act", ["approve", "decline", "withdraw"])
def test_second_of_two_who_decide_at_once_is_told(
    world: SandboxWorld, flip: Flip, act: str
) -> None:
    def decide_first(carry_out: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "policies_flip"') and "lapsed" not in str(rest):
            Flip.objects.filter(pk=flip.pk).update(status="lapsed")
        return carry_out(sql, *rest)

    acts = {
        "approve": lambda: world.approve(flip),
        "decline": lambda: flips.decline(
            flip_id=flip.pk, comment="no", by=world.people.approver, now=world.now()
        ),
        "withdraw": lambda: flips.withdraw(
            flip_id=flip.pk, by=world.people.operator, now=world.now()
        ),
    }
    with connection.execute_wrapper(decide_first), pytest.raises(Busy, match="Somebody else"):
        acts[act]()

    trail = AuditEvent.objects.filter(flip_id=str(flip.pk)).values_list("verb", flat=True)
    assert list(trail) == ["flip.requested"]


def test_rollback_needs_a_reason_a_role_and_something_enforced(
    world: SandboxWorld, variant: Variant
) -> None:
    def roll_back(
        reason: str = "why", by: Any = None, names: tuple[str, ...] = ("team-a",)
    ) -> Flip:
        return flips.roll_back(
            variant_id=variant.pk,
            namespaces=names,
            reason=reason,
            by=by or world.people.approver,
            now=world.now(),
        )

    with pytest.raises(Refused, match="Say why"):
        roll_back(reason=" ")
    with pytest.raises(NotAllowed):
        roll_back(by=world.people.viewer)
    with pytest.raises(NotAllowed):
        roll_back(by=SYSTEM)
    with pytest.raises(Refused, match="nothing to roll back"):
        roll_back()
    with pytest.raises(Refused, match="at least one"):
        roll_back(names=())


def live_policy(world: SandboxWorld, name: str) -> dict[str, Any]:
    return world.sandbox.get(CLUSTER_POLICIES, name)


def test_install_again_puts_right_what_a_hand_edited(world: SandboxWorld, variant: Variant) -> None:
    manifest = live_policy(world, variant.name)
    manifest["spec"]["rules"][0]["validate"]["message"] = "edited"
    world.sandbox.apply_manifest(manifest)
    world.collect()
    assert world.verdict(variant, "team-a").verdict is Verdict.BLOCKED

    assert world.flip(variant, FlipVerb.INSTALL) is RolloutStatus.PROVEN

    assert "edited" not in str(live_policy(world, variant.name))
    world.collect()
    world.rehearse(variant, "team-a")
    assert world.verdict(variant, "team-a").verdict is Verdict.READY


def test_install_ignores_namespaces(world: SandboxWorld) -> None:
    variant = world.variant("ClusterPolicy")

    assert world.plan(variant, FlipVerb.INSTALL, "team-a").namespaces == ()


def test_install_where_no_namespace_could_prove_it_is_refused(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.variant("ClusterPolicy")

    def before(call: str, what: str) -> None:
        if call == "ask" and what == "team-a":
            raise RejectedByAdmission("no", raw="violates PodSecurity")
        if call == "ask":
            raise NotFound("no such namespace")

    hand.before = before

    with pytest.raises(Refused, match="could not be proven"):
        world.plan(variant, FlipVerb.INSTALL)


def test_namespace_that_is_gone_is_not_asked_for_the_engine(
    world: SandboxWorld, variant: Variant
) -> None:
    world.sandbox.delete(NAMESPACES, "team-a")

    plan = world.plan(variant, FlipVerb.ENFORCE, "team-b")

    assert not [gate for gate in plan.open_gates if gate.gate == "engine"]


def test_cluster_without_a_namespace_to_ask_leaves_the_engine_unknown(
    world: SandboxWorld, variant: Variant
) -> None:
    for name in ("team-a", "team-b"):
        world.sandbox.delete(NAMESPACES, name)
    world.collect()

    world.cluster.refresh_from_db()
    assert world.cluster.engine_state == "unknown"
    assert "There is no namespace to ask in." in world.cluster.engine_message


def test_engine_that_cannot_be_asked_is_noted_as_unknown(
    world: SandboxWorld, variant: Variant
) -> None:
    world.sandbox.set_fault(Fault.FORBIDDEN, target="pods")

    world.collect()

    world.cluster.refresh_from_db()
    assert (world.cluster.contact_state, world.cluster.engine_state) == ("ok", "unknown")


def test_engine_behind_a_twin_that_must_answer_is_down_in_its_own_words(
    world: SandboxWorld, variant: Variant
) -> None:
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    world.collect()

    world.cluster.refresh_from_db()
    assert world.cluster.engine_state == "down"
    assert world.cluster.engine_message.startswith("Engine down: the admission webhook")


def make_policy(world: SandboxWorld, variant: Variant, name: str) -> None:
    """A policy of another variant, which is as good as somebody else's."""
    manifest = live_policy(world, variant.name)
    metadata = manifest["metadata"]
    labels = {**metadata["labels"], "secprof.io/variant": "theirs"}
    of_another = {"name": name, "labels": labels, "annotations": metadata["annotations"]}
    world.sandbox.apply_manifest({**manifest, "metadata": of_another})


def test_policy_of_somebody_else_with_our_name_stands_in_the_way(
    world: SandboxWorld, variant: Variant
) -> None:
    make_policy(world, variant, "require-seccomp-enforcement")
    world.plan(variant, FlipVerb.ENFORCE, "team-a")

    make_policy(world, variant, "require-seccomp-enforce-2")
    with pytest.raises(Refused, match="that secprof did not write"):
        world.plan(variant, FlipVerb.ENFORCE, "team-a")


def test_kind_that_is_not_served_any_more_is_said_so(
    world: SandboxWorld, hand: Hand, variant: Variant
) -> None:
    def before(_call: str, what: str) -> None:
        if what.startswith("clusterpolicies/"):
            raise NotFound("not served")

    hand.before = before

    with pytest.raises(Refused, match="is Kyverno installed"):
        world.plan(variant, FlipVerb.ENFORCE, "team-a")


def test_native_kind_that_is_not_served_names_the_version_it_takes(
    world: SandboxWorld, hand: Hand
) -> None:
    native = world.installed("ValidatingAdmissionPolicy", name="native")

    def before(_call: str, what: str) -> None:
        if what.startswith("validatingadmissionpolicies/"):
            raise NotFound("not served")

    hand.before = before

    with pytest.raises(Refused, match=r"does it run Kubernetes 1.30 or newer\?"):
        world.plan(native, FlipVerb.ENFORCE, "team-a")


def test_parameters_that_compile_no_more_are_said_so(world: SandboxWorld, variant: Variant) -> None:
    names = [f"{number:03}{'x' * 200}" for number in range(500)]
    lists = {"allowed": names, "denied": names}
    VariantRevision.objects.update(parameters={**variant.parameters, "seccomp": lists})

    with pytest.raises(Refused, match="too long for one policy"):
        world.plan(variant, FlipVerb.ENFORCE, "team-a")


def test_namespace_that_a_hand_wrote_into_the_twin_is_rolled_back_with_the_others(
    world: SandboxWorld, hand: Hand, variant: Variant
) -> None:
    world.flip(variant, FlipVerb.ENFORCE, "team-a")

    def edit(_resource: Resource, item: bytes) -> bytes:
        item = item.replace(b"  'team-a'", b"  'team-a', 'Team*'")
        return item.replace(b'"namespaces":["team-a"]', b'"namespaces":["team-a","Team*"]')

    hand.spoil = edit

    with pytest.raises(Refused, match="is not the name of a namespace. Roll that back too"):
        world.plan(variant, FlipVerb.ROLLBACK, "team-a")

    plan = world.plan(variant, FlipVerb.ROLLBACK, "team-a", "Team*")
    assert plan.enforced_before == ("Team*", "team-a")
    assert plan.enforced_after == ()


def test_engine_that_does_not_answer_in_time_is_unknown(
    world: SandboxWorld, hand: Hand, variant: Variant
) -> None:
    def before(call: str, _what: str) -> None:
        if call == "ask":
            raise TimedOut("No answer in time.")

    hand.before = before

    world.collect()

    world.cluster.refresh_from_db()
    assert world.cluster.engine_state == "unknown"
    assert "No answer in time." in world.cluster.engine_message
