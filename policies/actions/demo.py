"""The demo's story: people, clusters, variants, and some decisions that were taken before you came.

Everything goes through the actions that people use, so each of it has its rows in the trail. Safe to repeat: what was
decided already is left alone.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from policies.actions import collection, flips, rehearsals, rollouts, variants
from policies.actions.demo_exceptions import tell_exceptions
from policies.actions.errors import Busy, Refused
from policies.domain.authority import Actor, Role, Scope
from policies.domain.authority import Grant as DomainGrant
from policies.domain.library import Target, Template
from policies.domain.library.records import APPARMOR, CONFINED_PODS, SECCOMP
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus
from policies.domain.parameters import Parameters
from policies.domain.readiness import Verdict
from policies.models import (
    Cluster,
    CollectionRun,
    Flip,
    Grant,
    ObservedNamespace,
    Rehearsal,
    Stage,
    Variant,
)
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.verdicts import verdicts

PROOF_PAUSE = 0.01
OWNED = "team=web"
"""The namespaces that the demo's owner owns."""


@dataclass(frozen=True, slots=True)
class DemoVariant:
    """One variant of the story."""

    cluster: str
    name: str
    target: Target
    template: Template = SECCOMP
    choice: int = 0
    """Which of the template's usual choices: require a profile, or only deny Unconfined."""
    enforced_count: int = 0
    """How many ready namespaces were enforced before you came."""
    asks_for_more: bool = False
    """Whether a request for one more waits for an approver."""
    leaves_to: str = ""
    """A stricter variant, which would answer in its place: it keeps out of where that one is ready."""

    @property
    def parameters(self) -> Parameters:
        return Parameters(controls=self.template.choices[self.choice])


STORY = (
    DemoVariant(
        "prod", "require-seccomp", Target.CLUSTER_POLICY, enforced_count=2, asks_for_more=True
    ),
    DemoVariant(
        "prod",
        "deny-unconfined-seccomp",
        Target.VALIDATING_POLICY,
        choice=1,
        enforced_count=3,
        leaves_to="require-seccomp",
    ),
    DemoVariant(
        "prod",
        "require-apparmor",
        Target.VALIDATING_POLICY,
        APPARMOR,
        enforced_count=2,
        asks_for_more=True,
    ),
    DemoVariant("prod", "confined-pods", Target.NATIVE, CONFINED_PODS, enforced_count=1),
    DemoVariant("staging", "require-seccomp", Target.VALIDATING_POLICY, enforced_count=1),
    DemoVariant(
        "staging", "require-apparmor", Target.VALIDATING_POLICY, APPARMOR, enforced_count=1
    ),
    DemoVariant(
        "staging",
        "confined-pods",
        Target.NATIVE,
        CONFINED_PODS,
        enforced_count=1,
        asks_for_more=True,
    ),
)

KYVERNO_STORY = (
    DemoVariant("demo-a", "require-seccomp", Target.CLUSTER_POLICY),
    DemoVariant("demo-b", "require-seccomp", Target.VALIDATING_POLICY),
)
"""On real control planes nothing is enforced yet: a real engine takes its time to report."""


def make_people(password: str) -> dict[Role, Actor]:
    """Make one user for each role, named like the role, and give each this password; the owner owns one team's part."""
    people = {}
    for role in Role:
        user, _ = User.objects.get_or_create(username=role.value)
        user.set_password(password)
        user.save(update_fields=["password"])
        scope = Scope(selector=OWNED) if role is Role.OWNER else Scope()
        if not Grant.objects.filter(user=user).exists():
            Grant.objects.create(
                user=user, role=role.value, selector=scope.selector, granted_at=timezone.now()
            )
        people[role] = Actor(role.value, user.pk, frozenset({DomainGrant(role, scope)}))
    return people


def tell(
    people: dict[Role, Actor], story: tuple[DemoVariant, ...], say: Callable[[str], None]
) -> None:
    """Bring every cluster of the story to where the demo begins."""
    teller = Teller(people, say)
    for wanted in story:
        teller.install(wanted)
    for name in dict.fromkeys(wanted.cluster for wanted in story):
        teller.look_around(name)
    for wanted in story:
        teller.enforce(wanted)
    tell_exceptions(people, say)


@dataclass(frozen=True, slots=True)
class Teller:
    """The hands of the demo's people, at the time that the clock says."""

    people: dict[Role, Actor]
    say: Callable[[str], None]
    clock: Callable[[], datetime] = timezone.now

    def install(self, wanted: DemoVariant) -> None:
        """Create the variant and put its Audit policy on the cluster."""
        cluster = Cluster.objects.get(name=wanted.cluster)
        variant = Variant.objects.filter(cluster=cluster, name=wanted.name).first()
        if variant is not None and Flip.objects.filter(variant=variant).exists():
            return
        if not CollectionRun.objects.filter(cluster=cluster).exists():
            self.collect(cluster)
        if variant is None:
            variant = variants.create_variant(
                cluster_id=cluster.pk,
                name=wanted.name,
                template=wanted.template.name,
                parameters=wanted.parameters,
                target=wanted.target.value,
                by=self.people[Role.OPERATOR],
                now=self.clock(),
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
                now=self.clock(),
            )
            for rehearsal in asked:
                rehearsals.rehearse(rehearsal_id=rehearsal.pk, clock=self.clock)
        self.say(f"{name}: collected and rehearsed in {len(namespaces)} namespaces")

    def enforce(self, wanted: DemoVariant) -> None:
        """Flip the first ready namespaces, and ask for one more."""
        variant = Variant.objects.select_related("cluster").get(
            cluster__name=wanted.cluster, name=wanted.name
        )
        if Flip.objects.filter(variant=variant, verb=FlipVerb.ENFORCE.value).exists():
            return
        taken = set(_taken(variant))
        if wanted.leaves_to:
            stricter = Variant.objects.select_related("cluster").get(
                cluster=variant.cluster, name=wanted.leaves_to
            )
            taken.update(_ready(stricter, self.clock()))
        ready = tuple(name for name in _ready(variant, self.clock()) if name not in taken)
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
                cluster_id=cluster.pk, by=self.people[Role.OPERATOR], now=self.clock()
            )
        except Busy:
            return None

    def request(
        self, variant: Variant, verb: FlipVerb, namespaces: tuple[str, ...], reason: str
    ) -> Flip:
        operator = self.people[Role.OPERATOR]
        now = self.clock()
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
            now=self.clock(),
        )
        ended = rollouts.run(
            rollout_id=flip.rollout.pk, worker="demo", clock=self.clock, sleep=_short_sleep
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
    for (_, namespace), verdict in sorted(
        verdicts(variants=[variant], reach=EVERYTHING_SEEN, now=now).items()
    ):
        if verdict.verdict is Verdict.READY:
            yield namespace


def _taken(variant: Variant) -> Iterator[str]:
    """Name where another variant denies, or is asked to: its answer would stand in the way of the proof."""
    others = Variant.objects.filter(cluster=variant.cluster).exclude(pk=variant.pk)
    stages = Stage.objects.filter(variant__in=others, value=Stage.Value.ENFORCE)
    yield from stages.values_list("namespace", flat=True)
    for flip in Flip.objects.filter(variant__in=others, status=FlipStatus.REQUESTED):
        yield from flip.namespaces
