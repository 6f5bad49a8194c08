"""A catch-up leaves what a full collection would, at the cost of what changed."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models import Model

from policies.actions import collection
from policies.cluster.gateway import DEPLOYMENTS, PODS, REPLICA_SETS
from policies.models import (
    Cluster,
    CollectionRun,
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
