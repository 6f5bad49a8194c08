"""Rehearsals: the engine's word on each workload's own pod, and what is no word at all."""

from datetime import timedelta
from uuid import UUID

import pytest
from pytest_django import Settings

from policies.actions import rehearsals
from policies.actions.errors import Refused
from policies.cluster.errors import Invalid, Unreachable
from policies.domain.authority import NotAllowed
from policies.domain.readiness import GateId, GateOutcome
from policies.models import AuditEvent, Rehearsal, RehearsedWorkload, Variant
from sandbox.controllers import roll_out
from sandbox.faults import Fault
from sandbox.store import Manifest
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, GOOD, deployment

pytestmark = pytest.mark.django_db

State = Rehearsal.State


@pytest.fixture
def variant(world: SandboxWorld, target: str) -> Variant:
    return world.installed(target)


def ask(world: SandboxWorld, variant: Variant, *namespaces: str) -> tuple[Rehearsal, ...]:
    return rehearsals.request_rehearsal(
        variant_id=variant.pk, namespaces=namespaces, by=world.people.operator, now=world.now()
    )


def run(world: SandboxWorld, pk: UUID) -> Rehearsal:
    return rehearsals.rehearse(rehearsal_id=pk, clock=world.now)


def outcomes(rehearsal: Rehearsal) -> dict[str, str]:
    rows = RehearsedWorkload.objects.filter(rehearsal=rehearsal)
    return {row.name: row.outcome for row in rows}


def test_rehearse_gives_the_engines_word_on_each_workload(
    world: SandboxWorld, variant: Variant
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD, replicas=0))

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert rehearsal.state == State.DONE
    assert outcomes(rehearsal) == {"good": "admitted", "ftp": "refused"}
    counts = (rehearsal.workload_count, rehearsal.admitted_count, rehearsal.refused_count)
    assert counts == (2, 1, 1)
    gate = world.verdict(variant, "team-a").gate(GateId.REHEARSAL)
    assert (gate.outcome, gate.number) == (GateOutcome.FAIL, 1)
    assert AuditEvent.objects.filter(verb="rehearsal.requested", actor="operator").exists()


def test_rehearse_asks_once_for_equal_pods_and_not_for_owned_ones(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")

    def make(manifest: Manifest) -> Manifest:
        return world.sandbox.apply_manifest(manifest, forced=True).manifest

    for name in ("one", "two"):
        stored = make(deployment("team-a", name, GOOD, replicas=2))
        stored["spec"]["template"]["metadata"]["labels"] = {"app": "same"}
        roll_out(make(stored), make, {})
    asked: list[str] = []
    hand.after = lambda call, what: asked.append(what) if call == "ask" else None

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert outcomes(rehearsal) == dict.fromkeys(("good", "one", "two"), "admitted")
    # The bad pod before and after, the one of `good`, and one for both others.
    assert asked == ["team-a"] * 4


def test_rehearse_while_the_engine_is_silent_fails_and_judges_nothing(
    world: SandboxWorld, kyverno_target: str
) -> None:
    variant = world.installed(kyverno_target)
    before = Rehearsal.objects.get(namespace="team-a", is_latest=True)
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert rehearsal.state == State.FAILED
    assert "does not judge pods here. A bad pod passed without a warning." in rehearsal.message
    assert outcomes(rehearsal) == {}
    before.refresh_from_db()
    assert before.is_latest


def test_rehearse_of_a_cluster_out_of_reach_fails_with_its_words(
    world: SandboxWorld, variant: Variant
) -> None:
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert rehearsal.state == State.FAILED
    assert "unreachable" in rehearsal.message


def test_pod_that_could_not_come_to_be_is_unjudged(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    asked: list[str] = []

    def before(call: str, what: str) -> None:
        if call == "ask":
            asked.append(what)
            if len(asked) == 2:
                raise Invalid("spec.containers[0].image: Required value")

    hand.before = before

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert outcomes(rehearsal) == {"good": "unjudged"}
    gate = world.verdict(variant, "team-a").gate(GateId.REHEARSAL)
    assert (gate.outcome, gate.number) == (GateOutcome.UNKNOWN, 1)


def test_workload_without_containers_is_unjudged(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    hand.spoil = lambda _, item: item.replace(b'"containers":', b'"other":')

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert outcomes(rehearsal) == {"good": "unjudged"}
    assert "no pod template" in RehearsedWorkload.objects.get(rehearsal=rehearsal).message


def test_workloads_beyond_the_limit_are_unjudged(world: SandboxWorld, settings: Settings) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.apply_manifest(deployment("team-a", "zzz", GOOD))
    settings.SECPROF_REHEARSAL_LIMIT = 1

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert outcomes(rehearsal) == {"good": "admitted", "zzz": "unjudged"}


def test_rehearse_again_keeps_the_last_three(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")

    for _ in range(4):
        (last,) = world.rehearse(variant, "team-a")

    kept = Rehearsal.objects.filter(namespace="team-a")
    assert kept.count() == rehearsals.KEPT
    assert kept.get(is_latest=True) == last


def test_request_where_one_runs_already_leaves_it_to_run(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    (first,) = ask(world, variant, "team-a")

    (second,) = ask(world, variant, "team-a", "team-b")

    assert second.namespace == "team-b"
    assert run(world, first.pk).state == State.DONE


@pytest.mark.parametrize(
    ("namespaces", "says"),
    [((), "at least one"), (("team-a", "nowhere"), "prod has no namespace nowhere")],
)
def test_request_of_no_namespace_is_refused(
    world: SandboxWorld, namespaces: tuple[str, ...], says: str
) -> None:
    variant = world.installed("ClusterPolicy")
    Rehearsal.objects.all().delete()

    with pytest.raises(Refused, match=says):
        ask(world, variant, *namespaces)

    assert not Rehearsal.objects.exists()


def test_request_before_the_variant_is_installed_is_refused(world: SandboxWorld) -> None:
    with pytest.raises(Refused, match="install it first"):
        ask(world, world.variant("ClusterPolicy"), "team-a")


def test_request_takes_more_than_a_viewer(world: SandboxWorld) -> None:
    variant = world.variant("ClusterPolicy")

    with pytest.raises(NotAllowed):
        rehearsals.request_rehearsal(
            variant_id=variant.pk, namespaces=["team-a"], by=world.people.viewer, now=world.now()
        )


def test_rehearsal_that_waits_for_a_worker_is_not_lost(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    (rehearsal,) = ask(world, variant, "team-a")
    world.late += 2 * rehearsals.LOST_AFTER

    assert rehearsals.abandon_lost(now=world.now()) == 0
    assert rehearsals.waiting_rehearsals(now=world.now()) == (str(rehearsal.pk),)
    assert run(world, rehearsal.pk).state == State.DONE
    assert rehearsals.waiting_rehearsals(now=world.now()) == ()


def test_rehearsal_of_a_dead_worker_is_ended_and_may_be_asked_for_again(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    (rehearsal,) = ask(world, variant, "team-a")

    def die(call: str, _what: str) -> None:
        if call == "ask":
            raise SystemExit

    hand.before = die
    with pytest.raises(SystemExit):
        run(world, rehearsal.pk)
    hand.free()

    # While it may still be at it, nobody else is.
    assert run(world, rehearsal.pk).state == State.RUNNING
    assert rehearsals.waiting_rehearsals(now=world.now() + timedelta(minutes=2)) == ()
    world.late += rehearsals.LOST_AFTER + timedelta(seconds=1)
    (again,) = ask(world, variant, "team-a")

    rehearsal.refresh_from_db()
    assert rehearsal.state == State.FAILED
    assert "Rehearse again" in rehearsal.message
    assert run(world, again.pk).state == State.DONE


def test_long_rehearsal_tells_that_it_lives(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    (rehearsal,) = ask(world, variant, "team-a")
    started_at = world.now()

    def slow(_call: str, _what: str) -> None:
        world.late += timedelta(seconds=11)

    hand.after = slow
    run(world, rehearsal.pk)

    rehearsal.refresh_from_db()
    assert rehearsal.heartbeat_at is not None
    assert rehearsal.heartbeat_at > started_at + timedelta(seconds=60)


def test_rehearsal_that_was_ended_meanwhile_stays_ended(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    (rehearsal,) = ask(world, variant, "team-a")

    def end(call: str, _what: str) -> None:
        if call == "ask":
            rehearsals.abandon_lost(now=world.now() + timedelta(hours=1))

    hand.before = end

    assert run(world, rehearsal.pk).state == State.FAILED
    assert outcomes(rehearsal) == {}
    assert not Rehearsal.objects.get(pk=rehearsal.pk).is_latest


def test_pod_whose_owner_does_not_control_it_is_a_workload_of_its_own(
    world: SandboxWorld,
) -> None:
    variant = world.installed("ClusterPolicy")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}
    metadata = {"name": "lone", "namespace": "team-a", "ownerReferences": [owner]}
    world.sandbox.apply_manifest(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [GOOD]}}
    )

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert outcomes(rehearsal) == {"good": "admitted", "lone": "admitted"}


def test_engine_check_that_cannot_be_asked_fails(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")

    def before(call: str, _what: str) -> None:
        if call == "ask":
            raise Unreachable("cut off")

    hand.before = before
    (rehearsal,) = world.rehearse(variant, "team-a")

    assert (rehearsal.state, rehearsal.message) == (State.FAILED, "cut off")


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ("ClusterPolicy", "unjudged"),
        ("ValidatingPolicy", "unjudged"),
        ("ValidatingAdmissionPolicy", "admitted"),
    ],
)
def test_admission_that_took_too_long_is_no_verdict_of_an_engine(
    world: SandboxWorld,
    hand: Hand,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    outcome: str,
) -> None:
    variant = world.installed(target)
    monkeypatch.setattr(rehearsals, "LATE_SECONDS", 0.0)

    (rehearsal,) = world.rehearse(variant, "team-a")

    assert outcomes(rehearsal) == {"good": outcome}
    row = RehearsedWorkload.objects.get(rehearsal=rehearsal)
    assert ("may not have been heard" in row.message) is (outcome == "unjudged")
