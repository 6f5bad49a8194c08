"""Parameters that change under way: what an install carries, what enforcing and a rollback leave alone, and the proof."""

import pytest

from policies.actions.errors import Refused
from policies.actions.rollouts import CLAIM_LASTS, CLAIMS_ALLOWED
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus
from policies.domain.plans import Plan
from policies.domain.readiness import Verdict
from policies.models import DesiredRevision, RolloutStep, Variant
from policies.queries.specs import current_revisions
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.rolling import Countdown, Killed, run
from tests.integration.actions.watched import Hand
from tests.world import BAD, deployment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("little_patience")]

MESSAGE = "Ask the team of the platform."
ONLY_LOCALHOST = {"seccomp": {"types": ["Localhost"], "default": "Localhost:profiles/web.json"}}


def installed_number(variant: Variant) -> int:
    return current_revisions([variant])[variant.pk].compiled_from.number


def verbs(plan: Plan) -> dict[str, str]:
    return {planned.name: planned.verb for planned in plan.objects}


def proofs(variant: Variant) -> list[tuple[str, str, str]]:
    """Kind, namespace and status of the proofs of the newest rollout."""
    newest = DesiredRevision.objects.filter(variant=variant).latest("number")
    steps = RolloutStep.objects.filter(rollout__revision=newest, kind__startswith="prove")
    return list(steps.order_by("position").values_list("kind", "namespace", "status"))


def test_install_again_is_refused_only_while_nothing_would_change(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    with pytest.raises(Refused, match="is on prod already"):
        world.plan(variant, FlipVerb.INSTALL)

    edited = world.edit(variant, message=MESSAGE)

    plan = world.plan(edited, FlipVerb.INSTALL)
    assert (plan.revision, plan.title) == (
        2,
        "Install revision 2 of require-seccomp in Audit on prod",
    )
    assert verbs(plan)["require-seccomp"] == "replace"
    assert world.flip(edited, FlipVerb.INSTALL) is RolloutStatus.PROVEN
    assert installed_number(edited) == 2
    with pytest.raises(Refused, match="is on prod already"):
        world.plan(edited, FlipVerb.INSTALL)


def test_edit_that_changes_no_behaviour_is_installed_all_the_same(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    edited = world.edit(variant, seccomp={"location": "/srv/seccomp"})

    assert world.flip(edited, FlipVerb.INSTALL) is RolloutStatus.PROVEN

    assert hand.writes[-1] == ("replace", "require-seccomp")
    assert installed_number(edited) == 2
    with pytest.raises(Refused, match="is on prod already"):
        world.plan(edited, FlipVerb.INSTALL)


def test_enforce_and_rollback_leave_out_what_was_only_edited(
    world: SandboxWorld, hand: Hand, target: str
) -> None:
    variant = world.edit(world.installed(target), message=MESSAGE)
    hand.writes.clear()

    assert world.flip(variant, FlipVerb.ENFORCE, "team-a") is RolloutStatus.PROVEN
    assert {name for _, name in hand.writes} <= {
        "require-seccomp-enforce",
        "require-seccomp-enforce-debug",
    }
    assert MESSAGE not in str(DesiredRevision.objects.latest("number").objects_wanted)
    assert installed_number(variant) == 1

    assert world.flip(variant, FlipVerb.INSTALL) is RolloutStatus.PROVEN
    variant = world.edit(variant, message="")
    assert world.roll_back(variant, "team-a") is RolloutStatus.PROVEN
    assert MESSAGE in str(DesiredRevision.objects.latest("number").objects_wanted)
    assert installed_number(variant) == 2


def test_install_of_other_parameters_is_proven_where_the_variant_is_enforced(
    world: SandboxWorld, target: str
) -> None:
    for name in ("c", "d", "e"):
        world.sandbox.make_namespace(f"team-{name}", labels={"team": name})
    world.collect()
    variant = world.installed(target)
    world.rehearse(variant, "team-c", "team-d", "team-e")
    names = ("team-a", "team-c", "team-d", "team-e")
    world.flip(variant, FlipVerb.ENFORCE, *names, override="new namespaces")
    edited = world.edit(variant, message=MESSAGE)
    world.collect()

    plan = world.plan(edited, FlipVerb.INSTALL)

    assert plan.enforced_after == names
    assert plan.title == "Install revision 2 of require-seccomp on prod"
    asked = {gate.gate for gate in plan.gates if gate.namespace == "team-a"}
    assert asked == {"contact", "collection", "engine", "posture"}
    assert plan.verdicts == tuple((name, "ready") for name in names)
    assert world.flip(edited, FlipVerb.INSTALL) is RolloutStatus.PROVEN
    assert proofs(edited) == [
        ("prove-warned", "team-b", "done"),
        *(
            (kind, namespace, "done")
            for namespace in names[:3]
            for kind in ("prove-refused", "prove-admitted")
        ),
    ]


def test_install_where_every_namespace_is_enforced_is_proven_there_alone(
    world: SandboxWorld,
) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a", "team-b")
    edited = world.edit(variant, message=MESSAGE)
    world.collect()

    assert world.flip(edited, FlipVerb.INSTALL) is RolloutStatus.PROVEN

    assert proofs(edited)[0] == ("prove-warned", "", "skipped")
    assert ("prove-refused", "team-a", "done") in proofs(edited)


def test_install_that_would_refuse_workloads_where_it_is_enforced_takes_an_override(
    world: SandboxWorld, target: str
) -> None:
    variant = world.installed(target)
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    edited = world.edit(variant, **ONLY_LOCALHOST)

    unheard = world.plan(edited, FlipVerb.INSTALL)
    assert [(g.gate, g.sentence) for g in unheard.open_gates] == [
        ("posture", "Not judged under these parameters yet: collect again.")
    ]
    world.collect()
    with pytest.raises(Refused, match="gates do not pass") as refusal:
        world.request(edited, FlipVerb.INSTALL)

    assert "team-a: 1 workload would be refused" in refusal.value.details[0]
    assert (
        world.flip(edited, FlipVerb.INSTALL, override="agreed with the team")
        is RolloutStatus.PROVEN
    )
    world.collect()
    assert world.verdict(edited, "team-b").verdict in {Verdict.BLOCKED, Verdict.UNKNOWN}


def test_install_that_excludes_an_enforced_namespace_is_refused(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    edited = world.edit(variant, excluded_namespaces=["team-a"])

    with pytest.raises(Refused, match="excludes team-a, where it is enforced"):
        world.plan(edited, FlipVerb.INSTALL)


def test_variant_edited_between_request_and_approval_makes_the_install_stale(
    world: SandboxWorld,
) -> None:
    variant = world.edit(world.installed("ClusterPolicy"), message=MESSAGE)
    flip = world.request(variant, FlipVerb.INSTALL)
    world.edit(variant, seccomp={"location": "/srv/seccomp"})

    with pytest.raises(Refused) as refusal:
        world.approve(flip)

    assert "The parameters are those of revision 3 now, not of 2." in refusal.value.details
    flip.refresh_from_db()
    assert flip.status == FlipStatus.STALE


def test_variant_edited_while_an_enforce_waits_changes_nothing_for_it(
    world: SandboxWorld,
) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.request(variant, FlipVerb.ENFORCE, "team-a")
    world.edit(variant, message=MESSAGE)

    assert world.run(world.approve(flip)) is RolloutStatus.PROVEN


@pytest.mark.parametrize("verb", [FlipVerb.ENFORCE, FlipVerb.INSTALL])
def test_engine_away_at_the_approval_leaves_the_request_as_it_is(
    world: SandboxWorld, hand: Hand, verb: FlipVerb
) -> None:
    variant = world.installed("ValidatingPolicy")
    names = ("team-b",) if verb is FlipVerb.ENFORCE else ()
    if verb is FlipVerb.INSTALL:
        world.flip(variant, FlipVerb.ENFORCE, "team-a")
        variant = world.edit(variant, message=MESSAGE)
        world.collect()
    flip = world.request(variant, verb, *names)
    left = fall_silent(world, hand)

    with pytest.raises(Refused, match="Not at this moment: .*The request stays"):
        world.approve(flip)

    left.clear()
    flip.refresh_from_db()
    assert flip.status == FlipStatus.REQUESTED
    assert world.run(world.approve(flip)) is RolloutStatus.PROVEN


def fall_silent(world: SandboxWorld, hand: Hand) -> list[bool]:
    """Let the engine be down whenever a pod is asked about, and up for all else, as long as the list is not empty."""
    lasts = [True]

    def before(call: str, _what: str) -> None:
        if call == "ask" and lasts:
            world.sandbox.set_fault(Fault.ENGINE_DOWN)

    def after(call: str, _what: str) -> None:
        if call == "ask":
            world.sandbox.clear_fault(Fault.ENGINE_DOWN)

    hand.before, hand.after = before, after
    return lasts


def test_engine_away_at_the_check_is_waited_for(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ValidatingPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    fall_silent(world, hand)

    assert world.run(flip) is RolloutStatus.FAILED

    flip.refresh_from_db()
    assert "ngine down" in flip.closing_message
    assert not flip.rollout.steps.filter(kind="apply").exclude(status="pending").exists()


def test_rollout_given_up_at_its_write_is_put_right_by_an_install_that_writes_nothing(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    for _ in range(CLAIMS_ALLOWED):
        hand.before = lambda call, _: Countdown(0)() if call == "write" else None
        with pytest.raises(Killed):
            run(world, flip)
        world.late += CLAIM_LASTS
    hand.free()
    assert run(world, flip) is RolloutStatus.FAILED
    hand.writes.clear()
    world.collect()
    assert world.verdict(variant, "team-a").verdict is Verdict.BLOCKED

    assert world.flip(variant, FlipVerb.INSTALL) is RolloutStatus.PROVEN

    assert hand.writes == []
    assert world.verdict(variant, "team-a").verdict is Verdict.READY


def test_workload_that_only_the_edited_variant_would_refuse_blocks_after_the_install_alone(
    world: SandboxWorld,
) -> None:
    variant = world.edit(world.installed("ClusterPolicy"), **ONLY_LOCALHOST)
    world.collect()
    assert world.verdict(variant, "team-a").verdict is Verdict.READY

    world.flip(variant, FlipVerb.INSTALL)
    world.collect()
    world.rehearse(variant, "team-a")

    assert world.verdict(variant, "team-a").verdict is Verdict.BLOCKED


def test_bad_workload_counts_for_both(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a", override="agreed")
    edited = world.edit(variant, message=MESSAGE)
    world.collect()

    plan = world.plan(edited, FlipVerb.INSTALL)

    assert [(g.gate, g.number) for g in plan.open_gates] == [("posture", 1)]
