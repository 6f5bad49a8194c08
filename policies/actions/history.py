"""History: what each policy's figures were at the end of each day, written as far as the day changed them.

A day's rows are written again by each run of that day, so the last one stands. What a run that died left out is found
by the next.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from policies.actions.storing import BATCH_SIZE, Fields, change_rows, content_hash
from policies.domain.days import bounds_of, day_of
from policies.domain.findings import FINDING_OUTCOMES
from policies.models import (
    ClosedFinding,
    Cluster,
    CollectedDay,
    CollectionRun,
    DailyTally,
    DailyTotal,
    ObservedNamespace,
    ObservedResult,
    ResultTally,
)
from policies.models.history import COUNTS, MOVES

Key = tuple[str, str, str]
"""Source, policy and namespace of a tally."""
Figures = tuple[int, ...]
"""In the order of COUNTS, then MOVES."""

DIED = ("crashed", "lost")
"""Why a run failed that may have stored something."""
_NOTHING = (0,) * len(COUNTS)
_STILL = (0,) * len(MOVES)


def note_day(cluster: Cluster, *, now: datetime, keys: Iterable[Key] | None = None) -> None:
    """Bring the rows of the day of `now`, when the run began, in line with the tallies that it stored.

    `keys` are those whose tally, or whose findings, this run changed; None: compare all, as is also done after a run
    that failed midway. Those that were changed since the figures were noted last are looked at in any case: catch-ups
    leave that to a later run. Safe to repeat.
    """
    day = day_of(now)
    last = CollectedDay.objects.filter(cluster=cluster).order_by("-day").first()
    is_known = last is not None and not _has_failed_since(cluster, last.noted_at)
    if last is not None and is_known and keys is not None:
        parts = _parts({*keys, *_changed_between(cluster, last.noted_at, now)})
    else:
        parts = _all_parts(cluster)
    changes = [change for part in parts for change in _note_tallies(cluster, day, part)]
    namespaces = ObservedNamespace.objects.filter(cluster=cluster)
    teams = dict(namespaces.values_list("name", "team"))
    digest = content_hash(teams)
    is_same_day = last is not None and (last.day, last.teams_digest) == (day, digest)
    goes_on = keys is not None and is_known and is_same_day
    with transaction.atomic():
        if changes or not goes_on:
            _note_totals(cluster, day, teams, changes if goes_on else None)
        CollectedDay.objects.update_or_create(
            cluster=cluster, day=day, defaults={"noted_at": now, "teams_digest": digest}
        )


def close_day(cluster: Cluster, *, now: datetime) -> None:
    """Before a run changes anything: write down how the day ended on which figures were noted last, if it is over."""
    last = CollectedDay.objects.filter(cluster=cluster).order_by("-day").first()
    if last is None or last.day >= day_of(now):
        return
    ending = bounds_of(last.day)[1] - timedelta(microseconds=1)
    if _changed_between(cluster, last.noted_at, ending):
        note_day(cluster, now=ending, keys=())


def _changed_between(cluster: Cluster, moment: datetime, until: datetime) -> set[Key]:
    """Name the tallies that were changed last by runs that began after a moment, and not after another one."""
    changed = ResultTally.objects.filter(
        cluster=cluster, changed_at__gt=moment, changed_at__lte=until
    )
    return set(changed.values_list("source", "policy", "namespace"))


def _has_failed_since(cluster: Cluster, moment: datetime) -> bool:
    """Say whether a run may have stored tallies without noting them: one that found no way to the cluster has not."""
    return CollectionRun.objects.filter(
        cluster=cluster,
        state=CollectionRun.State.FAILED,
        error_reason__in=DIED,
        started_at__gt=moment,
    ).exists()


@dataclass(frozen=True, slots=True)
class _Part:
    """Some policies in some namespaces, or in all; what lies between is looked at as well."""

    policies: tuple[tuple[str, str], ...]
    """Source and name of each."""
    namespaces: tuple[str, ...] | None = None

    @property
    def condition(self) -> Q:
        found = Q(
            source__in=sorted({source for source, _ in self.policies}),
            policy__in=sorted({policy for _, policy in self.policies}),
        )
        return found if self.namespaces is None else found & Q(namespace__in=self.namespaces)


@dataclass(frozen=True, slots=True)
class _Change:
    """By how much a run moved the figures of one namespace's day."""

    key: Key
    figures: Figures


def _all_parts(cluster: Cluster) -> Iterator[_Part]:
    known = {
        policy
        for model in (ResultTally, DailyTally)
        for policy in model._default_manager.filter(cluster=cluster)
        .order_by()
        .values_list("source", "policy")
        .distinct()
    }
    for policy in sorted(known):
        yield _Part((policy,))


def _parts(keys: Iterable[Key]) -> Iterator[_Part]:
    """Split into parts of about BATCH_SIZE tallies: what changes in a namespace changes for several policies."""
    asked = set(keys)
    policies = tuple(sorted({key[:2] for key in asked}))
    namespaces = sorted({namespace for _, _, namespace in asked})
    width = max(1, BATCH_SIZE // max(1, len(policies)))
    for start in range(0, len(namespaces), width):
        yield _Part(policies, tuple(namespaces[start : start + width]))


# Namespaces


def _note_tallies(cluster: Cluster, day: date, part: _Part) -> list[_Change]:
    """Write the rows that differ, and say by how much they do."""
    moved = _moved(cluster, day, part)
    changed: list[Fields] = []
    new: list[Fields] = []
    changes = []
    for key, counts, last in _states(cluster, part):
        figures = counts + moved.get(key, _STILL)
        before = _figures(last) if last else _NOTHING + _STILL
        if last and last.day < day:
            before = before[: len(COUNTS)] + _STILL
        if figures == before:
            continue
        named = dict(zip(("source", "policy", "namespace"), key, strict=True))
        if last and last.day == day:
            changed.append({"id": last.pk, **_named(figures)})
        else:
            new.append({"cluster_id": cluster.pk, "day": day, **named, **_named(figures)})
        difference = tuple(new - old for new, old in zip(figures, before, strict=True))
        changes.append(_Change(key, difference))
    change_rows(DailyTally, gone={}, changed=changed, new=new)
    return changes


def _states(
    cluster: Cluster, part: _Part
) -> Iterator[tuple[Key, tuple[int, ...], DailyTally | None]]:
    """Give each tally with its counts now, and its newest row, if any; also where there is no tally any more."""
    same = {name: OuterRef(name) for name in ("source", "policy", "namespace")}
    rows = DailyTally.objects.filter(cluster=cluster, **same).order_by("-day")
    newest = Subquery(rows.values("pk")[:1])
    noted = DailyTally.objects.filter(part.condition, cluster=cluster)
    tallies = ResultTally.objects.filter(part.condition, cluster=cluster)
    columns = ("source", "policy", "namespace", "last_id", *COUNTS)
    found = list(tallies.annotate(last_id=newest).values_list(*columns).iterator())
    lasts = noted.in_bulk([last_id for _, _, _, last_id, *_ in found if last_id is not None])
    for source, policy, namespace, last_id, *counts in found:
        yield (source, policy, namespace), tuple(counts), lasts.get(last_id)
    kept = ResultTally.objects.filter(cluster=cluster, **same)
    for last in noted.filter(~Exists(kept), pk=newest):
        yield (last.source, last.policy, last.namespace), _NOTHING, last


def _moved(cluster: Cluster, day: date, part: _Part) -> dict[Key, tuple[int, ...]]:
    """Count the findings that were opened and closed on a day."""
    start, end = bounds_of(day)
    began = Q(first_seen_at__gte=start, first_seen_at__lt=end)
    open_now = ObservedResult.objects.filter(
        part.condition, began, cluster=cluster, outcome__in=sorted(FINDING_OUTCOMES)
    )
    ended = ClosedFinding.objects.filter(part.condition, cluster=cluster, closed_at__gte=start)
    opened = _by_key(open_now) + _by_key(ended.filter(began))
    closed = _by_key(ended.filter(closed_at__lt=end))
    return {key: (opened[key], closed[key]) for key in opened.keys() | closed.keys()}


def _by_key(rows: QuerySet[Any]) -> Counter[Key]:
    grouped = rows.order_by().values_list("source", "policy", "namespace").annotate(n=Count("pk"))
    return Counter({(source, policy, name): n for source, policy, name, n in grouped})


# Totals


def _note_totals(
    cluster: Cluster,
    day: date,
    teams: Mapping[str, str],
    changes: Sequence[_Change] | None,
) -> None:
    """Write the totals that differ: those of before with these changes, or all of them made anew."""
    noted = DailyTotal.objects.filter(cluster=cluster, day=day)
    stored = {(row.source, row.policy, row.team): _figures(row) for row in noted}
    totals = _changed_totals(stored, teams, changes or ())
    if changes is None or any(min(figures) < 0 for figures in totals.values()):
        totals = dict.fromkeys(stored, _NOTHING + _STILL) | _totals(cluster, day)
    rows = [
        DailyTotal(
            cluster=cluster,
            day=day,
            source=source,
            policy=policy,
            team=team,
            **_named(figures),
        )
        for (source, policy, team), figures in totals.items()
        if stored.get((source, policy, team), _NOTHING + _STILL) != figures
    ]
    DailyTotal.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["cluster", "policy", "team", "day", "source"],
        update_fields=[*COUNTS, *MOVES],
    )


def _changed_totals(
    stored: Mapping[tuple[str, str, str], Figures],
    teams: Mapping[str, str],
    changes: Sequence[_Change],
) -> dict[tuple[str, str, str], Figures]:
    totals = dict(stored)
    for change in changes:
        source, policy, namespace = change.key
        for team in (teams.get(namespace, ""), DailyTotal.EVERY_TEAM):
            key = (source, policy, team)
            totals[key] = _sum(totals.get(key, _NOTHING + _STILL), change.figures)
    return totals


def _totals(cluster: Cluster, day: date) -> dict[tuple[str, str, str], tuple[int, ...]]:
    """Add up each policy, by source, policy and team; every team is a team here."""
    moved = DailyTally.objects.filter(cluster=cluster, day=day)
    found: dict[tuple[str, str, str], Figures] = {}
    for rows, names, offset in (
        (ResultTally.objects.filter(cluster=cluster), COUNTS, 0),
        (moved, MOVES, len(COUNTS)),
    ):
        for source, policy, team, *sums in _by_team(rows, cluster, names):
            added = [0] * len(COUNTS + MOVES)
            added[offset : offset + len(names)] = sums
            for member in (team, DailyTotal.EVERY_TEAM):
                key = (source, policy, member)
                found[key] = _sum(found.get(key, _NOTHING + _STILL), added)
    return found


def _by_team(
    rows: QuerySet[Any], cluster: Cluster, names: Sequence[str]
) -> Iterable[tuple[Any, ...]]:
    owner = ObservedNamespace.objects.filter(cluster=cluster, name=OuterRef("namespace"))
    team = Coalesce(Subquery(owner.values("team")[:1]), Value(""))
    grouped = rows.order_by().annotate(team=team).values("source", "policy", "team")
    summed = {f"all_{name}": Sum(name) for name in names}
    found: Iterable[tuple[Any, ...]] = grouped.annotate(**summed).values_list(
        "source", "policy", "team", *summed
    )
    return found


def _sum(one: Sequence[int], other: Sequence[int]) -> Figures:
    return tuple(a + b for a, b in zip(one, other, strict=True))


# Rows


def _figures(row: DailyTally | DailyTotal) -> Figures:
    return tuple(getattr(row, name) for name in COUNTS + MOVES)


def _named(figures: Figures) -> Mapping[str, Any]:
    return dict(zip(COUNTS + MOVES, figures, strict=True))
