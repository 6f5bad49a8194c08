"""Exceptions that ought not to be as they are: not needed, over and honoured still, or wider than what was asked for.

Each is worked out from what was collected last, in a fixed number of queries, however many exceptions there are.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from policies.domain.exceptions import InvalidExemption, also_covers, exception_name
from policies.domain.exemptions import WorkloadName
from policies.domain.lifecycle import ExceptionStatus
from policies.domain.objects import WorkloadKind
from policies.models import (
    CollectionRun,
    ExceptionNeed,
    ExceptionRequest,
    ObservedException,
    ObservedResult,
    ObservedWorkload,
)
from policies.queries.exception_covers import draft_exemption
from policies.queries.exceptions import Show, workloads_of

UNNEEDED_AFTER = timedelta(days=30)
Space = tuple[int, str]
"""Cluster id and namespace."""


def flawed(found: QuerySet[ExceptionRequest], *, now: datetime) -> dict[Show, tuple[UUID, ...]]:
    """Name the flawed ones among these, by what is wrong with them."""
    rows = found.select_related("variant").only(
        "id",
        "status",
        "namespace",
        "approved_workloads",
        "controls",
        "approved_ends_at",
        "in_force_at",
        "closed_at",
        "variant__cluster_id",
    )
    in_force = list(rows.filter(status=ExceptionStatus.IN_FORCE).order_by("approved_ends_at", "pk"))
    return {
        Show.UNNEEDED: _unneeded(in_force, now=now),
        Show.HONOURED: _honoured(rows.filter(status=ExceptionStatus.ENDED)),
        Show.WIDE: _wide(in_force),
    }


def _unneeded(rows: Iterable[ExceptionRequest], *, now: datetime) -> tuple[UUID, ...]:
    """Name what nothing has needed for long, on clusters that were read in that time: silence alone says nothing."""
    since = now - UNNEEDED_AFTER
    needs = ExceptionNeed.objects.filter(last_needed_at__gt=since)
    needed = set(needs.values_list("cluster_id", "exception_key"))
    runs = CollectionRun.objects.filter(state=CollectionRun.State.COMPLETE, started_at__gt=since)
    read = set(runs.values_list("cluster_id", flat=True).distinct())
    return tuple(
        row.pk
        for row in rows
        if row.in_force_at
        and row.in_force_at <= since
        and row.variant.cluster_id in read
        and (row.variant.cluster_id, row.key) not in needed
    )


def _honoured(rows: QuerySet[ExceptionRequest]) -> tuple[UUID, ...]:
    """Name what is over, and whose object a later report still gives as the reason for a skip."""
    newest: dict[tuple[int, str], datetime] = {}
    results = ObservedResult.objects.alias(named=Cast("exceptions", TextField())).filter(
        named__contains=f'"{exception_name("")}', at__isnull=False
    )
    for result in results.only("cluster_id", "exceptions", "at").order_by("at"):
        if result.at:
            newest.update({(result.cluster_id, name): result.at for name in result.exceptions})
    if not newest:
        return ()
    return tuple(
        row.pk
        for row in rows.order_by("-closed_at", "pk")
        if (at := newest.get((row.variant.cluster_id, exception_name(row.key))))
        and row.closed_at
        and at > row.closed_at
    )


def _wide(rows: list[ExceptionRequest]) -> tuple[UUID, ...]:
    """Name what reaches beyond its workloads: its object was widened, or a name cannot be told apart."""
    objects = ObservedException.objects.exclude(exception_key="")
    reached = {
        (cluster_id, key): None if reaches is None or not narrowed else set(reaches)
        for cluster_id, key, reaches, narrowed in objects.values_list(
            "cluster_id", "exception_key", "reaches", "has_conditions"
        )
    }
    jobs = _jobs(rows)
    return tuple(
        row.pk
        for row in rows
        if _is_widened(row, reached.get((row.variant.cluster_id, row.key), {row.namespace}))
        or _catches(row, jobs[row.variant.cluster_id, row.namespace])
    )


def _is_widened(row: ExceptionRequest, reached: set[str] | None) -> bool:
    return reached is None or not reached <= {row.namespace}


def _jobs(rows: Iterable[ExceptionRequest]) -> dict[Space, list[WorkloadName]]:
    """Find the bare Jobs beside exempted CronJobs: the only workloads that cannot be told from what a CronJob makes."""
    spaces = {(row.variant.cluster_id, row.namespace) for row in rows if _has_cron_job(row)}
    found: dict[Space, list[WorkloadName]] = defaultdict(list)
    live = ObservedWorkload.objects.filter(
        top_kind=WorkloadKind.JOB,
        cluster_id__in={cluster_id for cluster_id, _ in spaces},
        namespace__in={namespace for _, namespace in spaces},
    )
    for cluster_id, namespace, name in live.values_list("cluster_id", "namespace", "top_name"):
        found[cluster_id, namespace].append(WorkloadName(WorkloadKind.JOB, name))
    return found


def _has_cron_job(row: ExceptionRequest) -> bool:
    return any(stored["kind"] == WorkloadKind.CRON_JOB for stored in row.approved_workloads)


def _catches(row: ExceptionRequest, jobs: list[WorkloadName]) -> bool:
    if not jobs or not _has_cron_job(row) or row.approved_ends_at is None:
        return False
    try:
        exemption = draft_exemption(
            row.namespace, workloads_of(row.approved_workloads), row.controls, row.approved_ends_at
        )
        return bool(also_covers(exemption, jobs))
    except InvalidExemption:
        return False
