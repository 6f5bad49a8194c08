"""Exceptions as lists show them: the board with its counts, rows, and what waits for whom.

One exception with its evidence stands in `exception_pages`; what secprof did not make, in `foreign_exceptions`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from policies.domain.authority import Actor, Place, Role
from policies.domain.exceptions import kind_for
from policies.domain.exemptions import WorkloadName
from policies.domain.library import Target
from policies.domain.lifecycle import ExceptionStatus
from policies.models import ExceptionRequest, Flip, ObservedNamespace, Variant
from policies.queries.exception_support import heeded_by_clusters
from policies.queries.reach import Reach

PAGE_SIZE = 50
ENDS_SOON = timedelta(days=14)
ENDS_VERY_SOON = timedelta(days=7)
UNDER_WAY = (ExceptionStatus.APPROVED, ExceptionStatus.FAILED, ExceptionStatus.ENDING)
CLOSED = (
    ExceptionStatus.ENDED,
    ExceptionStatus.DECLINED,
    ExceptionStatus.WITHDRAWN,
    ExceptionStatus.LAPSED,
)
ON_CLUSTER = (ExceptionStatus.IN_FORCE, ExceptionStatus.ENDING)
"""What exempts, as far as is proven: until its end is proven, too."""


class Show(StrEnum):
    """The parts of the board."""

    ASKED = "asked"
    UNDER_WAY = "under-way"
    IN_FORCE = "in-force"
    ENDING = "ending"
    ENDED = "ended"
    DRAFTS = "drafts"
    UNNEEDED = "not-needed"
    HONOURED = "still-honoured"
    WIDE = "covers-more"
    FOREIGN = "not-ours"


@dataclass(frozen=True, slots=True)
class BoardFilter:
    """What of the board to show; empty values do not filter."""

    show: Show = Show.ASKED
    cluster: str = ""
    team: str = ""
    variant: str = ""
    text: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """One exception in a list."""

    id: UUID
    status: ExceptionStatus
    cluster: str
    variant: str
    namespace: str
    workloads: tuple[WorkloadName, ...]
    """Those agreed to; those asked for while nobody has decided."""
    asked_count: int
    ends_at: datetime | None
    """The end agreed to, or asked for; a draft may have none."""
    requested_by: str
    requested_by_id: int
    requested_at: datetime
    decided_by: str
    changed_at: datetime
    """The newest of its times."""
    message: str
    """How it ended, or why it was not proven."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters of the board can be set to."""

    clusters: tuple[str, ...]
    teams: tuple[str, ...]
    variants: tuple[str, ...]


def seen(*, reach: Reach, user_id: int | None) -> QuerySet[ExceptionRequest]:
    """Give every exception that somebody may see: the one place that says so. A draft is its writer's own."""
    own = ~Q(status=ExceptionStatus.DRAFT) | Q(requested_by_id=user_id)
    return ExceptionRequest.objects.filter(own, reach.in_namespaces("variant__cluster_id"))


def matching(
    wanted: BoardFilter, *, reach: Reach, user_id: int | None
) -> QuerySet[ExceptionRequest]:
    """Give the exceptions that the board's filters let through, whatever part of it they stand in."""
    rows = seen(reach=reach, user_id=user_id)
    if wanted.cluster:
        rows = rows.filter(variant__cluster__name=wanted.cluster)
    if wanted.variant:
        rows = rows.filter(variant__name=wanted.variant)
    if wanted.team:
        spaces = ObservedNamespace.objects.filter(
            cluster=OuterRef("variant__cluster"), name=OuterRef("namespace"), team=wanted.team
        )
        rows = rows.filter(Exists(spaces))
    if wanted.text:
        # As text: SQLite cannot look into a list of JSON.
        rows = rows.alias(named=Cast("workloads", TextField())).filter(
            Q(namespace__icontains=wanted.text)
            | Q(named__icontains=wanted.text)
            | Q(ticket__icontains=wanted.text)
            | Q(reason__icontains=wanted.text)
        )
    return rows


def part_of_board(show: Show, *, user_id: int | None, now: datetime) -> Q:
    """Say which exceptions stand in a part of the board that their own rows decide."""
    in_force = Q(status=ExceptionStatus.IN_FORCE)
    return {
        Show.ASKED: Q(status=ExceptionStatus.REQUESTED),
        Show.UNDER_WAY: Q(status__in=UNDER_WAY),
        Show.IN_FORCE: in_force,
        Show.ENDING: in_force & Q(approved_ends_at__lte=now + ENDS_SOON),
        Show.ENDED: Q(status__in=CLOSED),
        Show.DRAFTS: Q(status=ExceptionStatus.DRAFT, requested_by_id=user_id),
    }[show]


ORDERS = {
    Show.ASKED: ("requested_at", "pk"),
    Show.UNDER_WAY: ("-decided_at", "pk"),
    Show.ENDED: ("-closed_at", "pk"),
    Show.DRAFTS: ("-created_at", "pk"),
}
"""The longest waiting first, the newest first; everything else by its end."""


def related(rows: QuerySet[ExceptionRequest]) -> QuerySet[ExceptionRequest]:
    """Load what rows of exceptions need, in one query."""
    return rows.select_related("variant__cluster", "requested_by", "decided_by").defer(
        "variant__cluster__credential"
    )


def exception_rows(found: Iterable[ExceptionRequest]) -> tuple[ExceptionRow, ...]:
    """Make rows of exceptions that come with variant, cluster and people."""
    return tuple(exception_row(row) for row in found)


def exception_row(row: ExceptionRequest) -> ExceptionRow:
    """Make one row."""
    times = (row.created_at, row.requested_at, row.decided_at, row.in_force_at, row.ending_at)
    is_agreed = bool(row.approved_workloads)
    return ExceptionRow(
        id=row.pk,
        status=ExceptionStatus(row.status),
        cluster=row.variant.cluster.name,
        variant=row.variant.name,
        namespace=row.namespace,
        workloads=workloads_of(row.approved_workloads if is_agreed else row.workloads),
        asked_count=len(row.workloads),
        ends_at=row.approved_ends_at or row.ends_at,
        requested_by=row.requested_by.get_username(),
        requested_by_id=row.requested_by_id,
        requested_at=row.requested_at or row.created_at,
        decided_by=row.decided_by.get_username() if row.decided_by else "",
        changed_at=max(at for at in (*times, row.closed_at) if at is not None),
        message=row.closing_message or row.ending_reason,
    )


def workloads_of(stored: Iterable[dict[str, str]]) -> tuple[WorkloadName, ...]:
    """Read stored names of workloads."""
    return tuple(WorkloadName.from_json(item) for item in stored)


def waiting_count(*, reach: Reach, by_user_id: int | None) -> int:
    """Count the exceptions in reach that wait for a decision by somebody else than their requester."""
    waiting = seen(reach=reach, user_id=by_user_id).filter(status=ExceptionStatus.REQUESTED)
    return waiting.exclude(requested_by_id=by_user_id).count()


def waiting(*, reach: Reach, limit: int) -> tuple[ExceptionRow, ...]:
    """List the first that somebody has to decide on, the longest waiting first."""
    found = seen(reach=reach, user_id=None).filter(status=ExceptionStatus.REQUESTED)
    return exception_rows(related(found).order_by("requested_at", "pk")[:limit])


def ending_for(
    actor: Actor, *, reach: Reach, now: datetime, limit: int
) -> tuple[ExceptionRow, ...]:
    """List the first that end within a week and this actor asked for, or owns the namespace of; the nearest end first."""
    found = seen(reach=reach, user_id=actor.user_id).filter(
        status=ExceptionStatus.IN_FORCE, approved_ends_at__lte=now + ENDS_VERY_SOON
    )
    if Role.OWNER not in actor.roles:
        found = found.filter(requested_by_id=actor.user_id)
    rows = list(related(found).order_by("approved_ends_at", "pk"))
    places = _places(rows)
    theirs = (
        row
        for row in rows
        if row.requested_by_id == actor.user_id or actor.has_role({Role.OWNER}, places[row.pk])
    )
    return exception_rows(islice(theirs, limit))


def _places(rows: Iterable[ExceptionRequest]) -> dict[UUID, Place]:
    """Give the place of each exception (with variant and cluster), in one query."""
    wanted = {row.pk: (row.variant.cluster, row.namespace) for row in rows}
    spaces = ObservedNamespace.objects.filter(
        cluster_id__in={cluster.pk for cluster, _ in wanted.values()},
        name__in={namespace for _, namespace in wanted.values()},
    )
    labels = {(s.cluster_id, s.name): s.labels for s in spaces}
    return {
        pk: Place(cluster.name, namespace, labels.get((cluster.pk, namespace), {}))
        for pk, (cluster, namespace) in wanted.items()
    }


def broken(*, reach: Reach, now: datetime, limit: int) -> tuple[ExceptionRow, ...]:
    """List the first that could not be brought into force, or could not be ended though their time is over."""
    overdue = Q(
        status__in=[ExceptionStatus.ENDING, ExceptionStatus.IN_FORCE], approved_ends_at__lte=now
    )
    stuck = Q(status=ExceptionStatus.ENDING) & ~Q(closing_message="")
    found = seen(reach=reach, user_id=None).filter(
        Q(status=ExceptionStatus.FAILED) | overdue | stuck
    )
    return exception_rows(related(found).order_by("approved_ends_at", "pk")[:limit])


def newest_flip(row: ExceptionRequest) -> Flip | None:
    """Find the flip that carries out an exception, or ended it, with its variant and people."""
    found = Flip.objects.filter(exception=row).select_related(
        "variant__cluster", "requested_by", "decided_by"
    )
    return found.order_by("-requested_at", "-lapses_at").first()


def inert(*, reach: Reach, limit: int) -> tuple[ExceptionRow, ...]:
    """List the first that count as in force on clusters whose engine, as it was read last, passes over such exceptions."""
    found = seen(reach=reach, user_id=None).filter(status=ExceptionStatus.IN_FORCE)
    places = found.order_by().values_list("variant__cluster_id", "variant__target").distinct()
    kinds = {place: kind for place in places if (kind := kind_for(Target(place[1])))}
    heeded = heeded_by_clusters({(place[0], kind) for place, kind in kinds.items()})
    passed_over = Q(pk__in=())
    for place, kind in kinds.items():
        if heeded[place[0], kind].honoured is False:
            passed_over |= Q(variant__cluster_id=place[0], variant__target=place[1])
    return exception_rows(
        related(found.filter(passed_over)).order_by("approved_ends_at", "pk")[:limit]
    )


def exempted(variant: Variant, namespace: str) -> dict[WorkloadName, ExceptionRow]:
    """Name the workloads of a namespace that an exception from this variant exempts, with that exception."""
    found = ExceptionRequest.objects.filter(
        variant=variant, namespace=namespace, status__in=ON_CLUSTER
    )
    rows = exception_rows(related(found).order_by("approved_ends_at", "pk"))
    # The one that lasts longest is the one that counts.
    return {workload: row for row in rows for workload in row.workloads}


def choices(reach: Reach) -> Choices:
    """Give what the board can be filtered by, in three queries."""
    variants = reach.variants().order_by("name").values_list("name", flat=True).distinct()
    teams = reach.namespaces().exclude(team="").order_by("team")
    return Choices(
        clusters=tuple(reach.clusters().values_list("name", flat=True)),
        teams=tuple(teams.values_list("team", flat=True).distinct()),
        variants=tuple(variants),
    )
