"""A catch-up leaves what a full collection would, at the cost of what changed."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.db.models import Model

from policies.actions import collection
from policies.cluster.gateway import DEPLOYMENTS, PODS, REPLICA_SETS
from policies.domain.parameters import Parameters
from policies.models import (
    Cluster,
    ClusterTraffic,
    CollectionRun,
    DailyTotal,
    ObservedException,
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ReferencedProfile,
    ReportPart,
    ResultTally,
    SeenObject,
)
from policies.queries.freshness import StripState, data_strip, fleet_strip
from policies.queries.reach import EVERYTHING_SEEN
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.world import BAD, GOOD, deployment

pytestmark = pytest.mark.django_db

OBSERVED: tuple[type[Model], ...] = (
    ObservedException,
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ReferencedProfile,
    ReportPart,
    ResultTally,
    SeenObject,
)
OF_THE_RUN = {"id", "cluster_id", "changed_at", "first_seen_at"}
"""Columns that tell of the run and not of the cluster."""
LOCALHOST = {
    **BAD,
    "securityContext": {
        "seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/web.json"}
    },
}


def picture(cluster: Cluster) -> dict[str, list[str]]:
    """Everything that is stored of a cluster, in an order of its own."""
    found = {}
    for model in OBSERVED:
        rows = model._default_manager.filter(cluster=cluster).values()
        plain: Iterator[dict[str, Any]] = (
            {
                name: bytes(value) if isinstance(value, memoryview) else value
                for name, value in row.items()
                if name not in OF_THE_RUN
            }
            for row in rows
        )
        found[model.__name__] = sorted(map(repr, plain))
    return found


def keep_up(world: SandboxWorld) -> CollectionRun:
    run = collection.keep_up(cluster_id=world.cluster.pk, by=world.people.operator, now=world.now())
    run.refresh_from_db()
    assert (run.state, run.error_message) == (CollectionRun.State.COMPLETE, "")
    return run


def caught_up(world: SandboxWorld) -> CollectionRun:
    run = keep_up(world)
    assert run.mode == CollectionRun.Mode.CATCH_UP
    return run


def list_again(world: SandboxWorld) -> None:
    collection.collect(cluster_id=world.cluster.pk, by=world.people.operator, now=world.now())


class Upheaval:
    """Changes at random to the workloads of a sandbox, by a seed."""

    def __init__(self, world: SandboxWorld, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.names = [f"w{number}" for number in range(8)]

    def change(self) -> None:
        steps: tuple[Callable[[], None], ...] = (
            self.put,
            self.put,
            self.roll,
            self.remove,
            self.remove_pod,
            self.new_namespace,
        )
        self.chance.choice(steps)()

    def _team(self) -> str:
        return self.chance.choice(("team-a", "team-b"))

    def put(self) -> None:
        container = self.chance.choice((GOOD, BAD, LOCALHOST))
        name = self.chance.choice(self.names)
        self.world.sandbox.apply_manifest(
            deployment(self._team(), name, container, replicas=self.chance.randint(0, 2))
        )

    def roll(self) -> None:
        self.world.rolled_out(self.chance.choice(self.names), self.chance.randint(1, 3))

    def remove(self) -> None:
        self._remove(self.chance.choice((DEPLOYMENTS, REPLICA_SETS)))

    def remove_pod(self) -> None:
        self._remove(PODS)

    def new_namespace(self) -> None:
        name = f"new-{self.chance.randint(0, 3)}"
        self.world.sandbox.make_namespace(name, labels={"team": "new"})

    def _remove(self, resource: Any) -> None:
        seen = SeenObject.objects.filter(cluster=self.world.cluster, kind=resource.kind)
        found = [
            (row.namespace, row.name)
            for row in seen.exclude(namespace="kyverno").order_by("uid")
            if self.world.sandbox.exists(resource, row.name, namespace=row.namespace)
        ]
        if found:
            namespace, name = self.chance.choice(found)
            self.world.sandbox.delete(resource, name, namespace=namespace)


@pytest.mark.parametrize("seed", range(4))
def test_after_changes_at_random_it_is_as_if_everything_had_been_listed(
    world: SandboxWorld, seed: int
) -> None:
    world.installed("ClusterPolicy")
    upheaval = Upheaval(world, seed)
    for _ in range(6):
        for _ in range(upheaval.chance.randint(1, 8)):
            upheaval.change()
        if upheaval.chance.random() < 0.7:
            world.scan(world.now())
        caught_up(world)
    after = picture(world.cluster)
    assert after["ObservedResult"]

    list_again(world)

    listed = picture(world.cluster)
    for name, rows in after.items():
        assert [r for r in rows if r not in listed[name]] == [
            r for r in listed[name] if r not in rows
        ], name


def test_day_ends_with_what_catch_ups_brought(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    list_again(world)
    today = world.now().astimezone(UTC).date()
    noted = DailyTotal.objects.filter(policy=variant.name, day=today, team=DailyTotal.EVERY_TEAM)
    before = noted.get().failing_workload_count
    world.sandbox.apply_manifest(deployment("team-a", "late", BAD))
    world.scan(world.now())
    caught_up(world)

    world.late += timedelta(days=1)
    world.sandbox.apply_manifest(deployment("team-a", "later", BAD))
    world.scan(world.now())
    keep_up(world)

    assert noted.get().failing_workload_count == before + 1


def test_what_changes_no_judgement_is_not_written(world: SandboxWorld) -> None:
    """Most of what an API server tells is a status."""
    world.sandbox.label(DEPLOYMENTS, "good", {"note": "new"}, namespace="team-a")
    caught_up(world)
    before = picture(world.cluster)
    world.sandbox.scale(DEPLOYMENTS, "good", 1, namespace="team-b")

    caught_up(world)

    assert picture(world.cluster)["ReportPart"] == before["ReportPart"]


@pytest.mark.parametrize("fault", [Fault.API_SERVER_DOWN, Fault.WRONG_CREDENTIALS])
def test_cluster_that_does_not_answer_keeps_what_was_known(
    world: SandboxWorld, fault: Fault
) -> None:
    before = picture(world.cluster)
    world.sandbox.set_fault(fault)

    run = collection.keep_up(cluster_id=world.cluster.pk, by=world.people.operator, now=world.now())

    assert run.state == CollectionRun.State.FAILED
    assert picture(world.cluster) == before
    world.cluster.refresh_from_db()
    assert world.cluster.is_slow
    world.sandbox.clear_faults()
    keep_up(world)
    world.cluster.refresh_from_db()
    assert not world.cluster.is_slow


def test_clusters_that_do_not_answer_wait_behind_the_others(world: SandboxWorld) -> None:
    now = world.now()
    Cluster.objects.update(collect_due_at=now)
    for number in range(6):
        Cluster.objects.create(
            name=f"hangs-{number}", created_at=now, collect_due_at=now, is_slow=True
        )
    by_name = dict(Cluster.objects.values_list("pk", "name"))

    taken = [by_name[pk] for pk in collection.take_due_clusters(now=now)]

    assert taken[0] == "prod"
    assert len(taken) == 1 + collection.SLOW_AT_ONCE


def test_other_judges_make_the_next_run_a_full_one(world: SandboxWorld) -> None:
    caught_up(world)
    world.variant(
        "ClusterPolicy",
        name="other",
        parameters=Parameters(controls=("require-seccomp",), excluded_namespaces=("team-b",)),
    )

    assert keep_up(world).mode == CollectionRun.Mode.FULL


def test_requests_and_bytes_are_counted_by_the_hour(world: SandboxWorld) -> None:
    before = ClusterTraffic.objects.get()

    run = caught_up(world)

    after = ClusterTraffic.objects.get()
    assert after.request_count == before.request_count + run.request_count
    assert after.run_count == before.run_count + 1


def test_requested_collection_is_a_full_one(world: SandboxWorld) -> None:
    caught_up(world)

    collection.request_collection(
        cluster_id=world.cluster.pk, by=world.people.operator, now=world.now()
    )

    assert keep_up(world).mode == CollectionRun.Mode.FULL


def test_data_is_as_old_as_the_last_catch_up(world: SandboxWorld) -> None:
    """Kinds that a cluster does not serve are asked for once an hour, and make nothing old."""
    world.late += timedelta(minutes=40)

    run = caught_up(world)

    strip = data_strip(world.cluster, now=world.now())
    assert (strip.state, strip.collected_at) == (StripState.COMPLETE, run.started_at)
    fleet = fleet_strip(reach=EVERYTHING_SEEN, now=world.now())
    assert (fleet.oldest_at, fleet.trouble) == (run.started_at, ())
