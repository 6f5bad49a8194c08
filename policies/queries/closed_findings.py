"""Findings that are over, the newest end first. A page costs the same however many there are: nothing is counted."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from policies.models import ClosedFinding, Cluster
from policies.queries.reach import Reach

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class ClosedFilter:
    """What to list; empty values do not filter."""

    policy: str = ""
    namespace: str = ""
    before: int | None = None
    """The id of the last finding on the page before."""


@dataclass(frozen=True, slots=True)
class ClosedRow:
    """One finding with its life."""

    id: int
    policy: str
    rule: str
    outcome: str
    namespace: str
    kind: str
    name: str
    owner: str
    """Kind and name of the top-level workload, unless it is that itself."""
    first_seen_at: datetime
    last_seen_at: datetime
    closed_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ClosedPage:
    """One page, and where the next one goes on."""

    rows: tuple[ClosedRow, ...]
    next_before: int | None
    """None on the last page."""


def closed_findings(cluster: Cluster, wanted: ClosedFilter, *, reach: Reach) -> ClosedPage:
    """Load one page, in at most two queries."""
    rows = ClosedFinding.objects.filter(_seen(cluster, reach), cluster=cluster)
    if wanted.policy:
        rows = rows.filter(policy=wanted.policy)
    if wanted.namespace:
        rows = rows.filter(namespace=wanted.namespace)
    ordered = _after(rows, wanted.before).order_by("-closed_at", "-pk")
    found = list(ordered[: PAGE_SIZE + 1])
    shown = tuple(_row(row) for row in found[:PAGE_SIZE])
    return ClosedPage(shown, shown[-1].id if len(found) > PAGE_SIZE else None)


def _seen(cluster: Cluster, reach: Reach) -> Q:
    if reach.sees_all_of(cluster.pk):
        return Q()
    return Q(namespace__in=sorted(reach.parts.get(cluster.pk, ())))


def _after(rows: QuerySet[ClosedFinding], before: int | None) -> QuerySet[ClosedFinding]:
    last = rows.filter(pk=before).first() if before else None
    if last is None:
        return rows
    return rows.filter(
        Q(closed_at__lt=last.closed_at) | Q(closed_at=last.closed_at, pk__lt=last.pk)
    )


def _row(row: ClosedFinding) -> ClosedRow:
    is_top = (row.kind, row.name) == (row.top_kind, row.top_name)
    return ClosedRow(
        id=row.pk,
        policy=row.policy,
        rule=row.rule,
        outcome=row.outcome,
        namespace=row.namespace,
        kind=row.kind,
        name=row.name,
        owner="" if is_top else f"{row.top_kind} {row.top_name}",
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        closed_at=row.closed_at,
        reason=row.reason,
    )
