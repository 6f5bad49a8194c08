"""Collecting denials: what each engine refuses to controllers and to people is folded by workload, once, and kept."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from policies.cluster.errors import RejectedByAdmission, TimedOut
from policies.cluster.gateway import DEPLOYMENTS, EVENTS, REPLICA_SETS, Resource
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import CollectionRun, Denial, KindSnapshot, Variant
from policies.queries.freshness import StripState, data_strip
from sandbox.controllers import roll_out
from sandbox.faults import Fault
from sandbox.gateway import SandboxGateway
from sandbox.store import Manifest
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, deployment

pytestmark = pytest.mark.django_db
TWIN = "require-seccomp-enforce"


def enforce(world: SandboxWorld, target: str = "ClusterPolicy") -> Variant:
    variant = world.installed(target)
    assert world.flip(variant, FlipVerb.ENFORCE, "team-a") is RolloutStatus.PROVEN
    return variant


def put(world: SandboxWorld, manifest: Manifest) -> Manifest:
    """An object that was there before anything was enforced."""

    def make(each: Manifest) -> Manifest:
        return world.sandbox.apply_manifest(each, forced=True).manifest

    stored = make(manifest)
    roll_out(stored, make, {})
    return stored


def cron_job(name: str) -> Manifest:
    template = deployment("team-a", name, BAD)["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"schedule": "15 * * * *", "jobTemplate": {"spec": {"template": template}}},
    }


def drain(world: SandboxWorld, name: str = "web", resource: Resource = DEPLOYMENTS) -> None:
    world.sandbox.make_pods_anew(resource, name, namespace="team-a")


def test_controllers_that_are_refused_by_the_twin_are_folded_by_workload(
    world: SandboxWorld, target: str
) -> None:
    enforce(world, target)
    put(world, deployment("team-a", "web", BAD, replicas=2))
    put(world, cron_job("nightly"))
    drain(world)
    world.sandbox.run_cron_jobs()
    run = world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    found = {row.top_name: row for row in Denial.objects.all()}
    assert set(found) == {"web", "nightly"}
    web = found["web"]
    assert (web.namespace, web.top_kind, web.example_kind) == ("team-a", "Deployment", "ReplicaSet")
    assert (web.policy, web.variant_name, web.attempt) == (TWIN, "require-seccomp", "controller")
    assert web.rule == ("require-seccomp" if target == "ClusterPolicy" else "")
    assert (web.outcome, web.count) == ("refused", 2)
    assert "seccomp" in web.message
    assert TWIN in web.texts[0]["text"]
    assert found["nightly"].top_kind == "CronJob"


def test_collect_twice_counts_no_event_twice_and_writes_nothing(world: SandboxWorld) -> None:
    enforce(world)
    put(world, deployment("team-a", "web", BAD))
    drain(world)
    world.collect()

    with CaptureQueriesContext(connection) as asked:
        world.collect()

    wrote = ("INSERT", "UPDATE")
    assert not [
        query["sql"]
        for query in asked
        if query["sql"].startswith(wrote) and "policies_denial" in query["sql"]
    ]
    assert Denial.objects.get().count == 1


def test_more_tries_are_added_and_an_expired_event_is_still_counted(world: SandboxWorld) -> None:
    enforce(world)
    put(world, deployment("team-a", "web", BAD))
    drain(world)
    world.collect()
    drain(world)
    world.collect()
    assert Denial.objects.get().count == 2
    first_at = Denial.objects.get().first_at

    forget_events(world)
    drain(world)
    world.collect()

    row = Denial.objects.get()
    assert (row.count, row.first_at) == (3, first_at)
    assert len(row.texts) == 2


def forget_events(world: SandboxWorld) -> None:
    """An hour has passed: the API server has dropped them."""
    for event in world.sandbox.objects(EVENTS):
        metadata = event["metadata"]
        world.sandbox.delete(EVENTS, metadata["name"], namespace=metadata["namespace"])


def test_denial_of_a_workload_that_is_gone_stays_until_its_time(
    world: SandboxWorld, settings: Settings
) -> None:
    enforce(world)
    put(world, deployment("team-a", "web", BAD))
    drain(world)
    world.collect()
    world.sandbox.delete(DEPLOYMENTS, "web", namespace="team-a")
    forget_events(world)
    world.collect()
    assert Denial.objects.get().top_name == "web"

    Denial.objects.update(last_at=world.now() - timedelta(days=settings.SECPROF_DENIAL_DAYS + 1))
    world.collect()

    assert not Denial.objects.exists()


def test_attempt_by_hand_is_told_apart_and_our_own_probes_are_none(world: SandboxWorld) -> None:
    enforce(world)
    bare = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [BAD]}}
    with pytest.raises(RejectedByAdmission):
        world.sandbox.create({**bare, "metadata": {"name": "tried", "namespace": "team-a"}})
    world.collect()

    row = Denial.objects.get()
    assert (row.attempt, row.top_kind, row.top_name) == ("hand", "Pod", "tried")
    assert (row.policy, row.rule) == (TWIN, "require-seccomp")


def test_condition_that_quotes_a_denial_is_one_without_any_event(world: SandboxWorld) -> None:
    enforce(world)
    put(world, deployment("team-a", "web", BAD))
    drain(world)
    (event,) = world.sandbox.objects(EVENTS, namespace="team-a")
    forget_events(world)
    owner = event["involvedObject"]["name"]
    failing = {"type": "ReplicaFailure", "status": "True", "message": event["message"]}
    world.sandbox.set_status(REPLICA_SETS, owner, {"conditions": [failing]}, namespace="team-a")
    world.collect()

    row = Denial.objects.get()
    assert (row.top_kind, row.top_name, row.count) == ("Deployment", "web", 1)
    before = row.last_at

    world.collect()
    assert Denial.objects.get().last_at == before
    world.late = timedelta(minutes=20)
    world.collect()
    row.refresh_from_db()
    assert (row.count, row.last_at > before) == (1, True)


def test_engine_that_is_down_leaves_pods_unjudged(world: SandboxWorld, kyverno_target: str) -> None:
    enforce(world, kyverno_target)
    put(world, deployment("team-a", "web", BAD))
    world.sandbox.set_fault(Fault.ENGINE_DOWN)
    drain(world)
    world.collect()

    row = Denial.objects.get(top_name="web")
    assert (row.outcome, row.policy, row.variant_name) == ("engine-down", TWIN, "require-seccomp")


def test_events_that_may_not_be_read_name_the_right_and_leave_the_run_complete(
    world: SandboxWorld,
) -> None:
    world.sandbox.set_fault(Fault.FORBIDDEN, target="events")

    run = world.collect()

    assert run.state == CollectionRun.State.COMPLETE
    snapshot = KindSnapshot.objects.get(kind="events")
    assert "list events" in snapshot.failure
    assert snapshot.completed_at is not None
    strip = data_strip(world.cluster, now=world.now())
    assert strip.state is StripState.COMPLETE
    assert "not events" in strip.sentence


def test_events_that_break_off_are_not_taken_for_none(world: SandboxWorld, hand: Hand) -> None:
    enforce(world)
    put(world, deployment("team-a", "web", BAD))
    drain(world)
    world.collect()

    def cut(call: str, what: str) -> None:
        if (call, what) == ("page", "events/v1"):
            raise TimedOut("The list took too long.")

    hand.before = cut
    world.collect()

    assert Denial.objects.get().count == 1
    assert KindSnapshot.objects.get(kind="events").failure == "The list took too long."


def test_way_that_was_cut_off_before_is_said_of_events_too(world: SandboxWorld, hand: Hand) -> None:
    def cut(call: str, what: str) -> None:
        if (call, what) == ("page", "deployments/v1"):
            raise TimedOut("The API server took too long.")

    hand.before = cut
    world.collect()

    assert KindSnapshot.objects.get(kind="events").failure == "The API server took too long."


def test_malformed_event_is_named_and_stops_nothing(world: SandboxWorld, hand: Hand) -> None:
    enforce(world)
    put(world, deployment("team-a", "web", BAD))
    put(world, deployment("team-a", "api", BAD))
    drain(world)
    drain(world, "api")

    def spoil(resource: Resource, item: bytes) -> bytes:
        odd = resource == EVENTS and b"FailedCreate" in item and b'"api-' in item
        return item.replace(b'"count":1', b'"count":"x"') if odd else item

    hand.spoil = spoil
    run = world.collect()

    assert [row.top_name for row in Denial.objects.all()] == ["web"]
    assert [problem["kind"] for problem in run.problems] == ["events"]


def test_only_events_that_may_tell_of_refusals_are_asked_for(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    enforce(world, target)
    asked: list[tuple[str, str]] = []
    pages = SandboxGateway.pages

    def listed(self: SandboxGateway, resource: Resource, **options: Any) -> Any:
        if resource == EVENTS:
            asked.append((options["namespace"], options["fields"]))
        return pages(self, resource, **options)

    monkeypatch.setattr(SandboxGateway, "pages", listed)
    world.collect()

    twins = {"ClusterPolicy": 1, "ValidatingPolicy": 2, "ValidatingAdmissionPolicy": 0}[target]
    assert asked[:2] == [("", "reason=FailedCreate"), ("", "reason=ReplicaSetCreateError")]
    assert len(asked) == 2 + twins
    assert all(
        namespace == "default" and f"involvedObject.name={TWIN}" in fields
        for namespace, fields in asked[2:]
    )
