"""Denials as pages show them: folded by workload, each with where its namespace stands and whether it still goes on.

A denial by our twin of what somebody tried by hand is the policy's work. A controller that cannot create what its workload needs is
trouble, for as long as the workload is there and goes on being refused.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from policies.cluster.gateway import EVENTS
from policies.domain.answers import AnswerOutcome
from policies.domain.authority import Place
from policies.domain.denials import Attempt
from policies.domain.library import ObjectRole
from policies.models import (
    Cluster,
    Denial,
    KindSnapshot,
    ObservedNamespace,
    ObservedPolicy,
    ObservedWorkload,
    Stage,
    Variant,
)
from policies.queries.freshness import stale_after
from policies.queries.reach import Reach

PAGE_SIZE = 50
STUCK_LIMIT = 500
"""Newest rows that are looked through: what is stuck is refused again and again."""
TRIES_WITHIN = timedelta(hours=1)
"""The longest that a controller waits between two tries is 17 minutes; an event is held back for 5 at most."""
SCHEDULED_WITHIN = timedelta(days=7)
"""A CronJob tries on its schedule alone."""


class DenialState(StrEnum):
    """What a denial means now."""

    STUCK = "stuck"
    """A controller cannot create what its workload needs, where the twin was proven to refuse or names the namespace."""
    UNJUDGED = "unjudged"
    """Refused because the policy could not judge, or the engine did not answer."""
    TRIED = "tried"
    """Somebody tried by hand: the policy did its work."""
    OTHER = "other"
    """Refused by somebody else's policy or webhook."""
    OVER = "over"
    """A controller was refused, and is no longer: not seen again, rolled back, or the workload is gone."""


@dataclass(frozen=True, slots=True)
class DenialFilter:
    """What to show; empty values do not filter."""

    cluster: str = ""
    namespace: str = ""
    policy: str = ""
    team: str = ""
    attempt: str = ""
    since: datetime | None = None
    page: int = 1


@dataclass(frozen=True, slots=True)
class Flipped:
    """The flip since which a namespace is proven to be enforced."""

    flip_id: UUID | None
    """None when that flip reaches further than one may see."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """One event as it was read."""

    kind: str
    name: str
    count: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class DenialRow:
    """What one rule refused to one workload."""

    id: int
    cluster_id: int
    cluster: str
    namespace: str
    team: str
    place: Place
    kind: str
    name: str
    policy: str
    rule: str
    variant: str
    """Empty for a policy of others."""
    variant_id: int | None
    """None for a policy of others, and in a namespace that is gone."""
    attempt: Attempt
    state: DenialState
    outcome: AnswerOutcome
    count: int
    first_at: datetime
    last_at: datetime
    message: str
    texts: tuple[Said, ...]
    flipped: Flipped | None
    """None while the namespace is not proven to be enforced."""
    is_named: bool
    """Whether the twin on the cluster names the namespace, proven or not."""
    is_there: bool
    """Whether the last collection saw the workload."""

    @property
    def is_since_the_flip(self) -> bool:
        return self.flipped is not None and self.last_at >= self.flipped.at


@dataclass(frozen=True, slots=True)
class Unread:
    """A cluster whose events are not known, or not lately: that it shows no denials means nothing."""

    cluster: str
    reason: str
    """Why the newest read did not finish; empty when it did."""
    read_at: datetime | None
    """When they were read last, too long ago; None while they never were."""


@dataclass(frozen=True, slots=True)
class DenialPage:
    """One page of denials, and what its filters can be set to."""

    rows: tuple[DenialRow, ...]
    total_count: int
    page: int
    page_count: int
    unread: tuple[Unread, ...]
    read_at: datetime | None
    """When the oldest of the events shown were read; None while none were."""
    clusters: tuple[str, ...]
    namespaces: tuple[str, ...]
    policies: tuple[str, ...]
    teams: tuple[str, ...]


def denial_page(wanted: DenialFilter, *, reach: Reach, now: datetime) -> DenialPage:
    """List denials in reach, the newest first, in a fixed number of queries."""
    seen = Denial.objects.filter(reach.in_namespaces())
    every = tuple(reach.clusters())
    clusters = tuple(each for each in every if wanted.cluster in ("", each.name))
    snapshots = _snapshots(clusters)
    found = _matching(seen, wanted)
    total = found.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, wanted.page), pages)
    start = (number - 1) * PAGE_SIZE
    rows = found.order_by("-last_at", "pk")[start : start + PAGE_SIZE]
    if wanted.cluster:
        seen = seen.filter(cluster__name=wanted.cluster)
    return DenialPage(
        rows=denial_rows(rows, reach=reach),
        total_count=total,
        page=number,
        page_count=pages,
        unread=_unread(clusters, snapshots, now),
        read_at=min((at for row in snapshots.values() if (at := row.completed_at)), default=None),
        clusters=tuple(each.name for each in every),
        namespaces=_choices(seen, "namespace"),
        policies=_choices(seen, "policy"),
        teams=tuple(
            reach.namespaces()
            .exclude(team="")
            .values_list("team", flat=True)
            .distinct()
            .order_by("team")
        ),
    )


def since_flip(
    *, cluster_id: int, variant: str, namespaces: Collection[str], since: datetime, reach: Reach
) -> tuple[DenialRow, ...]:
    """Give what a variant refused in these namespaces since a time, what is stuck first."""
    found = Denial.objects.filter(
        reach.in_namespaces(),
        cluster_id=cluster_id,
        variant_name=variant,
        namespace__in=namespaces,
        last_at__gte=since,
    )
    order = list(DenialState)
    rows = denial_rows(found.order_by("-last_at", "pk")[:PAGE_SIZE], reach=reach)
    return tuple(sorted(rows, key=lambda row: order.index(row.state)))


def stuck(*, reach: Reach) -> tuple[DenialRow, ...]:
    """Give the workloads that lack what a twin refuses to their controllers, the newest first."""
    found = Denial.objects.filter(
        reach.in_namespaces(), attempt=Attempt.CONTROLLER, outcome=AnswerOutcome.REFUSED
    ).exclude(variant_name="")
    rows = denial_rows(found.order_by("-last_at", "pk")[:STUCK_LIMIT], reach=reach)
    return tuple(row for row in rows if row.state is DenialState.STUCK)


def unread_on(cluster: Cluster, *, now: datetime) -> tuple[Unread, ...]:
    """Say whether a cluster's events were not read to their end, or not lately: one entry at most."""
    return _unread([cluster], _snapshots([cluster]), now)


def _snapshots(clusters: Iterable[Cluster]) -> dict[int, KindSnapshot]:
    ids = [each.pk for each in clusters]
    rows = KindSnapshot.objects.filter(cluster_id__in=ids, kind=EVENTS.full_name)
    return {row.cluster_id: row for row in rows}


def _unread(
    clusters: Iterable[Cluster], snapshots: Mapping[int, KindSnapshot], now: datetime
) -> tuple[Unread, ...]:
    found = []
    for each in clusters:
        row = snapshots.get(each.pk)
        read_at = row.completed_at if row else None
        failure = row.failure if row else ""
        if failure or read_at is None or now - read_at > stale_after():
            found.append(Unread(each.name, failure, read_at))
    return tuple(found)


def denial_rows(found: QuerySet[Denial], *, reach: Reach) -> tuple[DenialRow, ...]:
    """Make rows, in a fixed number of queries."""
    denials = list(found)
    clusters = dict(
        Cluster.objects.filter(pk__in={each.cluster_id for each in denials}).values_list(
            "pk", "name"
        )
    )
    around = _Around(
        clusters=clusters,
        spaces=_spaces(denials),
        variants=_variants(denials),
        flipped=_flipped(denials, reach),
        named=_named(denials),
        there=_there(denials),
        read_at=_read_at(denials),
    )
    return tuple(around.row(each) for each in denials)


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known around some denials."""

    clusters: Mapping[int, str]
    spaces: Mapping[tuple[int, str], tuple[str, Mapping[str, str]]]
    """Team and labels of namespaces."""
    variants: Mapping[tuple[int, str], int]
    flipped: Mapping[tuple[int, str, str], Flipped]
    named: frozenset[tuple[int, str, str]]
    there: frozenset[tuple[int, str, str, str]]
    read_at: Mapping[int, datetime]

    def row(self, denial: Denial) -> DenialRow:
        pk, namespace = denial.cluster_id, denial.namespace
        where = (pk, denial.variant_name, namespace)
        flipped = self.flipped.get(where)
        is_known = (pk, namespace) in self.spaces
        variant_id = self.variants.get((pk, denial.variant_name)) if is_known else None
        team, labels = self.spaces.get((pk, namespace), ("", {}))
        is_there = (pk, namespace, denial.top_kind, denial.top_name) in self.there
        return DenialRow(
            id=denial.pk,
            cluster_id=pk,
            cluster=self.clusters[pk],
            namespace=namespace,
            team=team,
            place=Place(self.clusters[pk], namespace, labels),
            kind=denial.top_kind,
            name=denial.top_name,
            policy=denial.policy,
            rule=denial.rule,
            variant=denial.variant_name,
            variant_id=variant_id,
            attempt=Attempt(denial.attempt),
            state=self._state(denial, is_there=is_there),
            outcome=AnswerOutcome(denial.outcome),
            count=denial.count,
            first_at=denial.first_at,
            last_at=denial.last_at,
            message=denial.message,
            texts=tuple(_said(each) for each in denial.texts),
            flipped=flipped,
            is_named=where in self.named,
            is_there=is_there,
        )

    def _state(self, denial: Denial, *, is_there: bool) -> DenialState:
        if denial.outcome in (AnswerOutcome.ENGINE_DOWN, AnswerOutcome.POLICY_ERROR):
            return DenialState.UNJUDGED
        if not denial.variant_name or denial.outcome != AnswerOutcome.REFUSED:
            return DenialState.OTHER
        if denial.attempt == Attempt.HAND:
            return DenialState.TRIED
        goes_on = is_there and self._tries(denial) and self._denies(denial)
        return DenialState.STUCK if goes_on else DenialState.OVER

    def _tries(self, denial: Denial) -> bool:
        """Say whether its controller was refused so lately that it will be again."""
        within = SCHEDULED_WITHIN if denial.top_kind == "CronJob" else TRIES_WITHIN
        read_at = self.read_at.get(denial.cluster_id, denial.last_at)
        return denial.last_at >= read_at - within

    def _denies(self, denial: Denial) -> bool:
        """Say whether the twin still refuses there: since a proof, or because the cluster shows it so."""
        where = (denial.cluster_id, denial.variant_name, denial.namespace)
        flipped = self.flipped.get(where)
        return where in self.named if flipped is None else denial.last_at >= flipped.at


def _matching(seen: QuerySet[Denial], wanted: DenialFilter) -> QuerySet[Denial]:
    asked: dict[str, Any] = {
        "cluster__name": wanted.cluster,
        "namespace": wanted.namespace,
        "policy": wanted.policy,
        "attempt": wanted.attempt,
        "last_at__gte": wanted.since,
    }
    found = seen.filter(**{name: value for name, value in asked.items() if value})
    if wanted.team:
        of_team = ObservedNamespace.objects.filter(
            cluster_id=OuterRef("cluster_id"), name=OuterRef("namespace"), team=wanted.team
        )
        found = found.filter(Exists(of_team))
    return found


def _choices(seen: QuerySet[Denial], name: str) -> tuple[str, ...]:
    return tuple(seen.values_list(name, flat=True).distinct().order_by(name))


def _spaces(denials: Iterable[Denial]) -> dict[tuple[int, str], tuple[str, Mapping[str, str]]]:
    rows = ObservedNamespace.objects.filter(
        cluster_id__in={each.cluster_id for each in denials},
        name__in={each.namespace for each in denials},
    )
    return {
        (pk, name): (team, labels)
        for pk, name, team, labels in rows.values_list("cluster_id", "name", "team", "labels")
    }


def _flipped(denials: Iterable[Denial], reach: Reach) -> dict[tuple[int, str, str], Flipped]:
    stages = Stage.objects.filter(
        value=Stage.Value.ENFORCE,
        variant__cluster_id__in={each.cluster_id for each in denials},
        variant__name__in={each.variant_name for each in denials},
        namespace__in={each.namespace for each in denials},
    ).select_related("variant", "flip__variant")
    return {
        (stage.variant.cluster_id, stage.variant.name, stage.namespace): Flipped(
            stage.flip_id if reach.sees_flip(stage.flip) else None,
            stage.proven_at,
        )
        for stage in stages
    }


def _variants(denials: Iterable[Denial]) -> dict[tuple[int, str], int]:
    rows = Variant.objects.filter(
        cluster_id__in={each.cluster_id for each in denials},
        name__in={each.variant_name for each in denials},
    )
    return {
        (pk, name): variant for pk, name, variant in rows.values_list("cluster_id", "name", "pk")
    }


def _named(denials: Iterable[Denial]) -> frozenset[tuple[int, str, str]]:
    rows = ObservedPolicy.objects.filter(
        cluster_id__in={each.cluster_id for each in denials},
        variant_name__in={each.variant_name for each in denials},
        role=ObjectRole.TWIN.value,
    )
    return frozenset(
        (pk, variant, name)
        for pk, variant, names in rows.values_list("cluster_id", "variant_name", "enforced")
        for name in names
    )


def _there(denials: Iterable[Denial]) -> frozenset[tuple[int, str, str, str]]:
    rows = ObservedWorkload.objects.filter(
        cluster_id__in={each.cluster_id for each in denials},
        namespace__in={each.namespace for each in denials},
        top_name__in={each.top_name for each in denials},
    )
    return frozenset(rows.values_list("cluster_id", "namespace", "top_kind", "top_name"))


def _read_at(denials: Iterable[Denial]) -> dict[int, datetime]:
    rows = KindSnapshot.objects.filter(
        cluster_id__in={each.cluster_id for each in denials},
        kind=EVENTS.full_name,
        completed_at__isnull=False,
    )
    found = rows.values_list("cluster_id", "completed_at")
    return {pk: at for pk, at in found if at is not None}


def _said(stored: Mapping[str, Any]) -> Said:
    return Said(
        kind=stored["kind"],
        name=stored["name"],
        count=stored["count"],
        at=datetime.fromisoformat(stored["at"]),
        text=stored["text"],
    )
