"""The people of a security team and their hands on one cluster: what tests of the main job are written with."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from policies.actions import collection, flips, rehearsals, rollouts, variants
from policies.domain.authority import Actor, Role, everywhere
from policies.domain.library import TEMPLATES
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.domain.parameters import Parameters
from policies.domain.plans import Plan
from policies.domain.readiness import NamespaceVerdict
from policies.models import Cluster, CollectionRun, Flip, Rehearsal, Variant
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.verdicts import verdicts

BAD = {"name": "app", "image": "registry.invalid/app:1"}
GOOD = {**BAD, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
C1_C2 = ("require-seccomp", "deny-unconfined-seccomp")
USUAL = {name: Parameters(controls=t.choices[0]) for name, t in TEMPLATES.items()}
"""By template: what requires a profile, with default parameters."""


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
            setattr(self, role.value, Actor(role.value, user.pk, everywhere(role)))

    viewer: Actor
    owner: Actor
    operator: Actor
    approver: Actor
    auditor: Actor
    admin: Actor


class World:
    """One cluster and the hands of the people who work on it."""

    def __init__(
        self, people: People, cluster: Cluster, scan: Callable[[datetime], object] = lambda _: None
    ) -> None:
        self.people = people
        self.cluster = cluster
        self.scan = scan
        """Makes reports come at once, where that can be had."""
        self.late = timedelta()

    def now(self) -> datetime:
        return timezone.now() + self.late

    def collect(self) -> CollectionRun:
        self.scan(self.now())
        return collection.collect(
            cluster_id=self.cluster.pk, by=self.people.operator, now=self.now()
        )

    def variant(
        self,
        target: str,
        *,
        name: str = "require-seccomp",
        template: str = "seccomp",
        parameters: Parameters | None = None,
    ) -> Variant:
        return variants.create_variant(
            cluster_id=self.cluster.pk,
            name=name,
            template=template,
            parameters=parameters or USUAL[template],
            target=target,
            by=self.people.operator,
            now=self.now(),
        )

    def edit(self, variant: Variant, **changes: Any) -> Variant:
        """Give the variant other parameters; the cluster does not hear of it."""
        return variants.edit_variant(
            variant_id=variant.pk,
            parameters=Parameters.from_json({**variant.parameters, **changes}),
            note="other parameters",
            based_on=variant.revision_number,
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

    def installed(self, target: str, **options: Any) -> Variant:
        """A variant in Audit, with reports collected and both teams' namespaces rehearsed."""
        variant = self.variant(target, **options)
        assert self.flip(variant, FlipVerb.INSTALL) is RolloutStatus.PROVEN
        self.collect()
        self.rehearse(variant, "team-a", "team-b")
        return variant

    def roll_back(self, variant: Variant, *namespaces: str) -> RolloutStatus:
        return self.run(
            flips.roll_back(
                variant_id=variant.pk,
                namespaces=namespaces,
                reason="a customer waits",
                by=self.people.operator,
                now=self.now(),
            )
        )

    def verdict(self, variant: Variant, namespace: str) -> NamespaceVerdict:
        variant.cluster.refresh_from_db()
        return verdicts(variants=[variant], reach=EVERYTHING_SEEN, now=self.now())[
            variant.pk, namespace
        ]
