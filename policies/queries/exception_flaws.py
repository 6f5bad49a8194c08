"""Exceptions that ought not to be as they are: not needed, over and honoured still, or wider than what was asked for.

Each is worked out from what was collected last, in a fixed number of queries, however many exceptions there are.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import CharField, Exists, Func, OuterRef, QuerySet, TextField
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

SKIP = Func(template="'skip'", output_field=CharField())
"""Written out, and no parameter: SQLite takes a partial index only where it reads the condition."""
UNNEEDED_AFTER = timedelta(days=30)
Space = tuple[int, str]
"""Cluster id and namespace."""


def flawed(found: QuerySet[ExceptionRequest], *, now: datetime) -> dict[Show, tuple[UUID, ...]]:
    """Name the flawed ones among these, by what is wrong with them."""
    in_force = found.filter(status=ExceptionStatus.IN_FORCE).order_by("approved_ends_at", "pk")
    return {
        Show.UNNEEDED: _unneeded(in_force, now=now),
        Show.HONOURED: _honoured(found.filter(status=ExceptionStatus.ENDED)),
        Show.WIDE: _wide(in_force),
    }


def _unneeded(rows: QuerySet[ExceptionRequest], *, now: datetime) -> tuple[UUID, ...]:
    """Name what nothing has needed for long, on clusters that were read in that time: silence alone says nothing."""
    since = now - UNNEEDED_AFTER
    needs = ExceptionNeed.objects.filter(last_needed_at__gt=since)
    needed = set(needs.values_list("cluster_id", "exception_key"))
    runs = CollectionRun.objects.filter(
        cluster=OuterRef("variant__cluster"),
        state=CollectionRun.State.COMPLETE,
        started_at__gt=since,
    )
    old = rows.filter(Exists(runs), in_force_at__lte=since)
    return tuple(row.pk for row in _keyed(old) if (row.variant.cluster_id, row.key) not in needed)


def _keyed(rows: QuerySet[ExceptionRequest]) -> QuerySet[ExceptionRequest]:
    """Load no more of these than their place and what their key is made of."""
    return rows.select_related("variant").only("id", "namespace", "variant__cluster_id")


def _honoured(rows: QuerySet[ExceptionRequest]) -> tuple[UUID, ...]:
    """Name what is over, and whose object a later report still gives as the reason for a skip."""
    newest: dict[tuple[int, str], datetime] = {}
    results = ObservedResult.objects.alias(named=Cast("exceptions", TextField())).filter(
        outcome=SKIP, named__contains=f'"{exception_name("")}', at__isnull=False
    )
    for cluster_id, names, at in results.order_by("at").values_list(
        "cluster_id", "exceptions", "at"
    ):
        if at is not None:
            newest.update({(cluster_id, name): at for name in names})
    if not newest:
        return ()
    ended = rows.select_related("variant").only("id", "closed_at", "variant__cluster_id")
    return tuple(
        row.pk
        for row in ended.order_by("-closed_at", "pk")
        if (at := newest.get((row.variant.cluster_id, exception_name(row.key))))
        and row.closed_at
        and at > row.closed_at
    )


def _wide(rows: QuerySet[ExceptionRequest]) -> tuple[UUID, ...]:
    """Name what reaches beyond its workloads: its object was widened, or a name cannot be told apart."""
    objects = ObservedException.objects.exclude(exception_key="")
    reached = {
        (cluster_id, key): None if reaches is None or not narrowed else set(reaches)
        for cluster_id, key, reaches, narrowed in objects.values_list(
            "cluster_id", "exception_key", "reaches", "has_conditions"
        )
    }
    catching = _catching(rows)
    return tuple(
        row.pk
        for row in _keyed(rows)
        if _is_widened(row, reached.get((row.variant.cluster_id, row.key), {row.namespace}))
        or row.pk in catching
    )


def _catching(rows: QuerySet[ExceptionRequest]) -> set[UUID]:
    """Name those for a CronJob that take in a bare Job beside it."""
    cron_jobs = list(
        rows.alias(named=Cast("approved_workloads", TextField()))
        .filter(named__contains=f'"{WorkloadKind.CRON_JOB}"')
        .select_related("variant")
        .only(
            "id",
            "namespace",
            "approved_workloads",
            "controls",
            "approved_ends_at",
            "variant__cluster_id",
        )
    )
    jobs = _jobs(cron_jobs)
    return {
        row.pk for row in cron_jobs if _catches(row, jobs[row.variant.cluster_id, row.namespace])
    }


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
