"""The trend of one policy on one cluster, day by day, and what was decided in between.

Who sees all of a cluster reads its totals. Who sees a part reads the rows of their namespaces, added up: at most
NAMESPACE_LIMIT of them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Subquery

from policies.domain.days import day_of, start_of
from policies.domain.library import Target
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import (
    Cluster,
    CollectedDay,
    DailyTally,
    DailyTotal,
    ObservedNamespace,
    ResultTally,
    Rollout,
    Variant,
)
from policies.models.history import COUNTS, MOVES
from policies.queries.evidence import SOURCE
from policies.queries.reach import Reach

RANGES = (7, 30, 90, 365)
"""Days that may be looked back on, today among them."""
DEFAULT_RANGE = 30
NAMESPACE_LIMIT = 100
MARK_LIMIT = 200
MARKED_VERBS = (
    FlipVerb.INSTALL,
    FlipVerb.ENFORCE,
    FlipVerb.ROLLBACK,
    FlipVerb.EXEMPT,
    FlipVerb.END_EXEMPTION,
)


class TrendState(StrEnum):
    KNOWN = "known"
    NEVER = "never"
    """Nothing was collected in this time."""
    NO_POLICY = "no-policy"
    """No policy has reported anything."""
    QUIET = "quiet"
    """The policy has no results in this time and in this part."""
    TOO_WIDE = "too-wide"
    """More namespaces than are added up here."""


@dataclass(frozen=True, slots=True)
class TrendFilter:
    """What to show; empty values do not filter."""

    policy: str = ""
    """The key of a PolicyChoice; empty: the first."""
    team: str = ""
    namespace: str = ""
    days: int = DEFAULT_RANGE


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """A policy that reports, told apart by who judges it."""

    source: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.source}/{self.name}"


def choice_of(variant: Variant) -> PolicyChoice:
    """Name the policy that reports for a variant."""
    return PolicyChoice(SOURCE[variant.target], variant.name)


def trend_key(variant: Variant) -> str:
    """Give the key of that policy; empty for a native one, on which nothing reports."""
    return "" if variant.target == Target.NATIVE else choice_of(variant).key


@dataclass(frozen=True, slots=True)
class Figures:
    """The state at the end of a day, in the order of COUNTS."""

    passed: int
    failed: int
    warned: int
    erred: int
    skipped: int
    failing_workloads: int
    judged_workloads: int

    @property
    def result_count(self) -> int:
        return self.passed + self.failed + self.warned + self.erred + self.skipped


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was carried out and proven."""

    at: datetime
    verb: str
    namespaces: tuple[str, ...]
    flip_id: UUID


@dataclass(frozen=True, slots=True)
class TrendDay:
    """One day. Without figures it is a gap: nobody collected, or no report spoke of the policy here."""

    day: date
    is_collected: bool
    figures: Figures | None
    opened: int
    closed: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class TrendPage:
    """The days of one policy, the oldest first, and what else could be chosen."""

    state: TrendState
    days: tuple[TrendDay, ...]
    policy: PolicyChoice | None
    policies: tuple[PolicyChoice, ...]
    teams: tuple[str, ...]
    variant_id: int | None
    noted_at: datetime | None
    """When the collection began that the newest day stands on."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read: counts and moves by day, in the order of COUNTS and MOVES."""

    counts: Mapping[date, tuple[int, ...]]
    moves: Mapping[date, tuple[int, ...]]


_NOTHING_READ = _Read({}, {})


def load_trend(cluster: Cluster, wanted: TrendFilter, *, reach: Reach, now: datetime) -> TrendPage:
    """Load one trend in a fixed number of queries."""
    today = day_of(now)
    start = today - timedelta(days=wanted.days - 1)
    collected = _collected(cluster, start, today)
    variants = {choice_of(v): v.pk for v in Variant.objects.filter(cluster=cluster)}
    policies = tuple(
        sorted(
            _policies(cluster, collected, reach),
            key=lambda p: (p not in variants, p.name, p.source),
        )
    )
    first = policies[0].key if policies else ""
    chosen = next((p for p in policies if p.key == (wanted.policy or first)), None)
    variant_id = variants.get(chosen) if chosen else None
    places = _places(cluster, wanted, reach)
    is_wide = places is not None and len(places) > NAMESPACE_LIMIT
    read = _NOTHING_READ
    if chosen and places is None:
        read = _read_totals(cluster, chosen, wanted.team or DailyTotal.EVERY_TEAM, start)
    elif chosen and places is not None and not is_wide:
        read = _read_namespaces(cluster, chosen, places, collected, start)
    marks = _marks(variant_id, start, _marked(cluster, wanted, places), reach)
    days = tuple(
        _day(start + timedelta(days=n), collected, read, marks) for n in range(wanted.days)
    )
    return TrendPage(
        state=_state(collected, policies, days, is_wide=is_wide),
        days=days,
        policy=chosen,
        policies=policies,
        teams=_teams(cluster, reach),
        variant_id=variant_id,
        noted_at=collected[max(collected)] if collected else None,
    )


def _state(
    collected: Collection[date],
    policies: Collection[PolicyChoice],
    days: Iterable[TrendDay],
    *,
    is_wide: bool,
) -> TrendState:
    if not collected:
        return TrendState.NEVER
    if not policies:
        return TrendState.NO_POLICY
    if is_wide:
        return TrendState.TOO_WIDE
    return TrendState.KNOWN if any(day.figures for day in days) else TrendState.QUIET


def _day(
    day: date, collected: Collection[date], read: _Read, marks: Mapping[date, list[Mark]]
) -> TrendDay:
    counts = Figures(*read.counts[day]) if day in read.counts else None
    opened, closed = read.moves.get(day, (0, 0))
    return TrendDay(
        day=day,
        is_collected=day in collected,
        figures=counts if counts and counts.result_count else None,
        opened=opened,
        closed=closed,
        marks=tuple(marks.get(day, ())),
    )


# What can be chosen


def _collected(cluster: Cluster, start: date, today: date) -> dict[date, datetime]:
    rows = CollectedDay.objects.filter(cluster=cluster, day__gte=start, day__lte=today)
    return dict(rows.values_list("day", "noted_at"))


def _policies(
    cluster: Cluster, collected: Collection[date], reach: Reach
) -> Iterable[PolicyChoice]:
    """Find the policies that report, now or when the time shown began; to who sees a part, only in their part."""
    if not collected:
        return ()
    rows = DailyTotal.objects.filter(
        cluster=cluster, team=DailyTotal.EVERY_TEAM, day__in={min(collected), max(collected)}
    )
    if not reach.sees_all_of(cluster.pk):
        theirs = ResultTally.objects.filter(
            cluster=cluster,
            source=OuterRef("source"),
            policy=OuterRef("policy"),
            namespace__in=sorted(reach.parts.get(cluster.pk, ())),
        )
        rows = rows.filter(Exists(theirs))
    return (PolicyChoice(*row) for row in rows.values_list("source", "policy").distinct())


def _teams(cluster: Cluster, reach: Reach) -> tuple[str, ...]:
    owned = reach.namespaces().filter(cluster=cluster).exclude(team="")
    return tuple(owned.order_by("team").values_list("team", flat=True).distinct())


# Figures


def _places(cluster: Cluster, wanted: TrendFilter, reach: Reach) -> frozenset[str] | None:
    """Name the namespaces to add up; None: the totals say it."""
    if wanted.namespace:
        return frozenset(reach.seen(cluster.pk, [wanted.namespace]))
    if reach.sees_all_of(cluster.pk):
        return None
    seen = reach.parts.get(cluster.pk, frozenset())
    return seen & _owned(cluster, wanted.team) if wanted.team else seen


def _owned(cluster: Cluster, team: str) -> frozenset[str]:
    rows = ObservedNamespace.objects.filter(cluster=cluster, team=team)
    return frozenset(rows.values_list("name", flat=True))


def _read_totals(cluster: Cluster, policy: PolicyChoice, team: str, start: date) -> _Read:
    rows = DailyTotal.objects.filter(
        cluster=cluster, policy=policy.name, source=policy.source, team=team, day__gte=start
    )
    found = {day: tuple(figures) for day, *figures in rows.values_list("day", *COUNTS, *MOVES)}
    width = len(COUNTS)
    return _Read(
        {day: figures[:width] for day, figures in found.items()},
        {day: figures[width:] for day, figures in found.items()},
    )


def _read_namespaces(
    cluster: Cluster,
    policy: PolicyChoice,
    names: Collection[str],
    collected: Collection[date],
    start: date,
) -> _Read:
    """Add up namespaces: on a day without a row each is as it was before."""
    rows = DailyTally.objects.filter(
        cluster=cluster, policy=policy.name, source=policy.source, namespace__in=names
    )
    before = rows.filter(namespace=OuterRef("namespace"), day__lt=start).order_by("-day")
    standing = rows.filter(pk=Subquery(before.values("pk")[:1]))
    changed = rows.filter(day__gte=start).order_by("day")
    state: dict[str, tuple[int, ...]] = {
        namespace: tuple(counts)
        for namespace, *counts in standing.values_list("namespace", *COUNTS)
    }
    by_day: dict[date, list[tuple[Any, ...]]] = defaultdict(list)
    for day, *row in changed.values_list("day", "namespace", *COUNTS, *MOVES):
        by_day[day].append(tuple(row))
    counts, moves = {}, {}
    for day in sorted(collected):
        for namespace, *figures in by_day[day]:
            state[namespace] = tuple(figures[: len(COUNTS)])
        if state:
            counts[day] = _added(state.values())
        if by_day[day]:
            moves[day] = _added(row[1 + len(COUNTS) :] for row in by_day[day])
    return _Read(counts, moves)


def _added(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*rows, strict=True))


# Marks


def _marked(
    cluster: Cluster, wanted: TrendFilter, places: frozenset[str] | None
) -> frozenset[str] | None:
    """Name the namespaces whose flips are marked; None: all."""
    return _owned(cluster, wanted.team) if places is None and wanted.team else places


def _marks(
    variant_id: int | None, start: date, places: frozenset[str] | None, reach: Reach
) -> Mapping[date, list[Mark]]:
    """Find what was proven, by day: the newest MARK_LIMIT, each with those of its namespaces that are asked for."""
    found: dict[date, list[Mark]] = defaultdict(list)
    if variant_id is None:
        return found
    proven = Rollout.objects.filter(
        reach.within("variant__cluster_id", "flip__namespaces"),
        variant_id=variant_id,
        status=RolloutStatus.PROVEN,
        finished_at__gte=start_of(start),
        flip__verb__in=MARKED_VERBS,
    ).order_by("-finished_at")
    rows = proven.values_list("finished_at", "flip__verb", "flip__namespaces", "flip_id")
    for at, verb, namespaces, flip_id in rows[:MARK_LIMIT]:
        here = tuple(n for n in namespaces if places is None or n in places)
        if at and (here or not namespaces):
            found[day_of(at)].insert(0, Mark(at, verb, here, flip_id))
    return found
