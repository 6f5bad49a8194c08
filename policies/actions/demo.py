"""The demo's story: people, clusters, variants, and some decisions that were taken before you came.

Everything goes through the actions that people use, so each of it has its rows in the trail. Safe to repeat: what was
decided already is left alone.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.utils import timezone

from policies.actions import collection, flips, rehearsals, rollouts, variants
from policies.actions.errors import Busy, Refused
from policies.domain.authority import Actor, Role
from policies.domain.controls import in_order
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.domain.parameters import Parameters
from policies.domain.readiness import Verdict
from policies.models import (
    Cluster,
    CollectionRun,
    Flip,
    ObservedNamespace,
    Rehearsal,
    Variant,
)
from policies.queries.verdicts import verdicts

REQUIRE = ("require-seccomp", "deny-unconfined-seccomp")
DENY = ("deny-unconfined-seccomp",)
PROOF_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class DemoVariant:
    """One variant of the story."""

    cluster: str
    name: str
    controls: tuple[str, ...]
    target: str
    enforced_count: int
    """How many ready namespaces were enforced before you came."""
    asks_for_more: bool
    """Whether a request for one more waits for an approver."""


STORY = (
    DemoVariant("prod", "require-seccomp", REQUIRE, "ClusterPolicy", 2, asks_for_more=True),
    DemoVariant(
        "prod", "deny-unconfined-seccomp", DENY, "ValidatingPolicy", 3, asks_for_more=False
    ),
    DemoVariant("staging", "require-seccomp", REQUIRE, "ValidatingPolicy", 1, asks_for_more=False),
)

KYVERNO_STORY = (
    DemoVariant("demo-a", "require-seccomp", REQUIRE, "ClusterPolicy", 0, asks_for_more=False),
    DemoVariant("demo-b", "require-seccomp", REQUIRE, "ValidatingPolicy", 0, asks_for_more=False),
)
"""On real control planes nothing is enforced yet: a real engine takes its time to report."""


def make_people(password: str) -> dict[Role, Actor]:
    """Make one user for each role, named like the role, and give each this password."""
    people = {}
    for role in Role:
        user, _ = User.objects.get_or_create(username=role.value)
        user.set_password(password)
        user.save(update_fields=["password"])
        user.groups.set([Group.objects.get_or_create(name=role.value)[0]])
        people[role] = Actor(role.value, user.pk, frozenset({role}))
    return people


def tell(
    people: dict[Role, Actor], story: tuple[DemoVariant, ...], say: Callable[[str], None]
) -> None:
    """Bring every cluster of the story to where the demo begins."""
    teller = _Teller(people, say)
    for wanted in story:
        teller.install(wanted)
    for name in dict.fromkeys(wanted.cluster for wanted in story):
        teller.look_around(name)
    for wanted in story:
        teller.enforce(wanted)


@dataclass(frozen=True, slots=True)
class _Teller:
    people: dict[Role, Actor]
    say: Callable[[str], None]

    def install(self, wanted: DemoVariant) -> None:
        """Create the variant and put its Audit policy on the cluster."""
        cluster = Cluster.objects.get(name=wanted.cluster)
        variant = Variant.objects.filter(cluster=cluster, name=wanted.name).first()
        if variant is not None and Flip.objects.filter(variant=variant).exists():
            return
        self.collect(cluster)
        if variant is None:
            variant = variants.create_variant(
                cluster_id=cluster.pk,
                name=wanted.name,
                template="seccomp",
                parameters=Parameters(controls=in_order(wanted.controls)),
                target=wanted.target,
                by=self.people[Role.OPERATOR],
                now=timezone.now(),
            )
        self.flip(variant, FlipVerb.INSTALL, (), "Start in Audit: nothing is refused yet.")
        self.say(f"{wanted.cluster}: {wanted.name} installed in Audit")

    def look_around(self, name: str) -> None:
        """Collect what the new policies report, and rehearse them everywhere."""
        cluster = Cluster.objects.get(name=name)
        rehearsed = Rehearsal.objects.filter(is_latest=True).values("variant_id")
        fresh = tuple(Variant.objects.filter(cluster=cluster).exclude(pk__in=rehearsed))
        if not fresh:
            return
        self.collect(cluster)
        namespaces = tuple(_team_namespaces(cluster))
        for variant in fresh:
            asked = rehearsals.request_rehearsal(
                variant_id=variant.pk,
                namespaces=namespaces,
                by=self.people[Role.OPERATOR],
                now=timezone.now(),
            )
            for rehearsal in asked:
                rehearsals.rehearse(rehearsal_id=rehearsal.pk, clock=timezone.now)
        self.say(f"{name}: collected and rehearsed in {len(namespaces)} namespaces")

    def enforce(self, wanted: DemoVariant) -> None:
        """Flip the first ready namespaces, and ask for one more."""
        variant = Variant.objects.select_related("cluster").get(
            cluster__name=wanted.cluster, name=wanted.name
        )
        if Flip.objects.filter(variant=variant, verb=FlipVerb.ENFORCE.value).exists():
            return
        ready = tuple(_ready(variant, timezone.now()))
        if wanted.controls == DENY:
            # Where the stricter variant may come to deny as well, its answer would stand in the way of the proof.
            stricter = Variant.objects.select_related("cluster").get(
                cluster=variant.cluster, name="require-seccomp"
            )
            taken = set(_ready(stricter, timezone.now()))
            ready = tuple(name for name in ready if name not in taken)
        for namespace in ready[: wanted.enforced_count]:
            self.flip(variant, FlipVerb.ENFORCE, (namespace,), "Clean for two weeks.")
        if wanted.asks_for_more and len(ready) > wanted.enforced_count:
            self.request(
                variant, FlipVerb.ENFORCE, ready[wanted.enforced_count :][:1], "Next on the list."
            )
        if wanted.enforced_count:
            self.say(
                f"{wanted.cluster}: {wanted.name} enforced in {wanted.enforced_count} namespaces"
            )

    def collect(self, cluster: Cluster) -> CollectionRun | None:
        try:
            return collection.collect(
                cluster_id=cluster.pk, by=self.people[Role.OPERATOR], now=timezone.now()
            )
        except Busy:
            return None

    def request(
        self, variant: Variant, verb: FlipVerb, namespaces: tuple[str, ...], reason: str
    ) -> Flip:
        operator = self.people[Role.OPERATOR]
        now = timezone.now()
        plan = flips.preview(
            variant_id=variant.pk, verb=verb, namespaces=namespaces, by=operator, now=now
        )
        return flips.request(
            variant_id=variant.pk,
            verb=verb,
            namespaces=namespaces,
            plan_digest=plan.digest,
            reason=reason,
            override_reason="",
            by=operator,
            now=now,
        )

    def flip(
        self, variant: Variant, verb: FlipVerb, namespaces: tuple[str, ...], reason: str
    ) -> None:
        """Ask, approve and carry out. Raises Refused when it could not be proven."""
        asked = self.request(variant, verb, namespaces, reason)
        flip = flips.approve(
            flip_id=asked.pk,
            plan_digest=asked.plan_digest,
            comment="Looked at the diff and the gates.",
            by=self.people[Role.APPROVER],
            now=timezone.now(),
        )
        ended = rollouts.run(
            rollout_id=flip.rollout.pk, worker="demo", clock=timezone.now, sleep=_short_sleep
        )
        if ended is not RolloutStatus.PROVEN:
            flip.refresh_from_db()
            raise Refused(f"The demo's first flip was not proven: {flip.closing_message}")


def _short_sleep(seconds: float) -> None:
    time.sleep(min(seconds, PROOF_PAUSE))


def _team_namespaces(cluster: Cluster) -> Iterator[str]:
    rows = ObservedNamespace.objects.filter(cluster=cluster, is_system=False).exclude(team="")
    yield from rows.order_by("name").values_list("name", flat=True)


def _ready(variant: Variant, now: datetime) -> Iterator[str]:
    for (_, namespace), verdict in sorted(verdicts(variants=[variant], now=now).items()):
        if verdict.verdict is Verdict.READY:
            yield namespace
