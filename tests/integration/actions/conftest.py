"""A small sandbox company with two teams, the people of a security team, and the two engines."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from policies.actions import clusters, collection, flips, rehearsals, rollouts, variants
from policies.domain.authority import Actor, Role
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.domain.plans import Plan
from policies.models import Cluster, CollectionRun, Flip, Rehearsal, Variant
from sandbox.control import Sandbox

BAD = {"name": "app", "image": "registry.invalid/app:1"}
GOOD = {**BAD, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
C1_C2 = ("require-seccomp", "deny-unconfined-seccomp")


def deployment(namespace: str, name: str, container: dict, *, replicas: int = 1) -> dict:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def kyverno(version: str = "v1.19.1") -> dict:
    container = {"name": "kyverno", "image": f"reg.kyverno.io/kyverno/kyverno:{version}"}
    manifest = deployment("kyverno", "kyverno-admission-controller", container)
    manifest["metadata"]["labels"] = {"app.kubernetes.io/component": "admission-controller"}
    return manifest


class People:
    """One user for each role, and what each may do as an actor."""

    def __init__(self, django_user_model: type) -> None:
        for role in Role:
            user = django_user_model.objects.create_user(role.value)
            setattr(self, role.value, Actor(role.value, user.pk, frozenset({role})))

    viewer: Actor
    operator: Actor
    approver: Actor
    auditor: Actor
    admin: Actor


class World:
    """One sandbox cluster and the hands of the people who work on it."""

    def __init__(self, people: People, sandbox: Sandbox, cluster: Cluster) -> None:
        self.people = people
        self.sandbox = sandbox
        self.cluster = cluster
        self.late = timedelta()

    def now(self) -> datetime:
        return timezone.now() + self.late

    def collect(self) -> CollectionRun:
        self.sandbox.scan(self.now())
        return collection.collect(cluster_id=self.cluster.pk, by=self.people.operator, now=self.now())

    def variant(self, target: str, *, name: str = "require-seccomp") -> Variant:
        return variants.create_variant(
            cluster_id=self.cluster.pk,
            name=name,
            controls=C1_C2,
            target=target,
            by=self.people.operator,
            now=self.now(),
        )

    def plan(self, variant: Variant, verb: FlipVerb, *namespaces: str) -> Plan:
        return flips.preview(
            variant_id=variant.pk,
            verb=verb,
            namespaces=namespaces,
            by=self.people.operator,
            now=self.now(),
        )

    def request(
        self, variant: Variant, verb: FlipVerb, *namespaces: str, override: str = ""
    ) -> Flip:
        return flips.request(
            variant_id=variant.pk,
            verb=verb,
            namespaces=namespaces,
            plan_digest=self.plan(variant, verb, *namespaces).digest,
            reason="because",
            override_reason=override,
            by=self.people.operator,
            now=self.now(),
        )

    def approve(self, flip: Flip) -> Flip:
        return flips.approve(
            flip_id=flip.pk,
            plan_digest=flip.plan_digest,
            comment="agreed",
            by=self.people.approver,
            now=self.now(),
        )

    def run(self, flip: Flip, *, worker: str = "worker") -> RolloutStatus:
        return rollouts.run(
            rollout_id=flip.rollout.pk, worker=worker, clock=self.now, sleep=lambda _: None
        )

    def flip(
        self, variant: Variant, verb: FlipVerb, *namespaces: str, override: str = ""
    ) -> RolloutStatus:
        return self.run(self.approve(self.request(variant, verb, *namespaces, override=override)))

    def rehearse(self, variant: Variant, *namespaces: str) -> tuple[Rehearsal, ...]:
        asked = rehearsals.request_rehearsal(
            variant_id=variant.pk,
            namespaces=namespaces,
            by=self.people.operator,
            now=self.now(),
        )
        return tuple(rehearsals.rehearse(rehearsal_id=r.pk, clock=self.now) for r in asked)

    def installed(self, target: str) -> Variant:
        """A variant in Audit, with reports collected and every team's namespace rehearsed."""
        variant = self.variant(target)
        assert self.flip(variant, FlipVerb.INSTALL) is RolloutStatus.PROVEN
        self.collect()
        self.rehearse(variant, "team-a", "team-b")
        return variant


@pytest.fixture
def people(django_user_model: type) -> People:
    return People(django_user_model)


@pytest.fixture
def world(people: People, tmp_path: Path, settings: object) -> Iterator[World]:
    settings.SECPROF_STATE_DIR = tmp_path
    settings.SECPROF_PROOF_TIMEOUT_SECONDS = 2
    (tmp_path / "sandbox").mkdir()
    sandbox = Sandbox(tmp_path / "sandbox" / "prod.sqlite3")
    for namespace in ("kyverno", "team-a", "team-b"):
        sandbox.make_namespace(namespace, labels={"team": namespace.removeprefix("team-")})
    sandbox.apply_manifest(kyverno())
    sandbox.apply_manifest(deployment("team-a", "good", GOOD))
    sandbox.apply_manifest(deployment("team-b", "good", GOOD))
    cluster = clusters.add_sandbox(name="prod", by=people.admin, now=timezone.now())
    world = World(people, sandbox, cluster)
    world.collect()
    yield world
    sandbox.close()


@pytest.fixture(params=["ClusterPolicy", "ValidatingPolicy"])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


