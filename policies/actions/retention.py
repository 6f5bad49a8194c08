"""Retention: history and collection runs that have had their time are deleted, a little at a time.

Decisions and the audit trail are never deleted.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from policies.domain.days import day_of
from policies.models import (
    ClosedFinding,
    Cluster,
    CollectedDay,
    CollectionRun,
    DailyTally,
    DailyTotal,
)

BATCH_SIZE = 1000
"""Rows in one transaction."""


def forget_old(*, now: datetime) -> int:
    """Delete what is older than the settings keep, and return how many rows that were. Safe to repeat."""
    since = now - timedelta(days=settings.SECPROF_HISTORY_DAYS)
    runs_since = now - timedelta(days=settings.SECPROF_RUN_DAYS)
    old = (
        *_closed(since),
        DailyTotal.objects.filter(day__lt=day_of(since)),
        CollectedDay.objects.filter(day__lt=day_of(since)),
        _overtaken(since),
        _ended_runs(runs_since),
    )
    return sum(_delete(rows) for rows in old)


def _closed(since: datetime) -> Iterator[QuerySet[ClosedFinding]]:
    """Give the rows cluster by cluster, as the index has them."""
    for cluster_id in Cluster.objects.order_by("pk").values_list("pk", flat=True):
        yield ClosedFinding.objects.filter(cluster_id=cluster_id, closed_at__lt=since)


def _overtaken(since: datetime) -> QuerySet[DailyTally]:
    """Find the rows that no day kept reads: the last one before them still says how a namespace stood."""
    day = day_of(since)
    newer = DailyTally.objects.filter(
        cluster=OuterRef("cluster"),
        source=OuterRef("source"),
        policy=OuterRef("policy"),
        namespace=OuterRef("namespace"),
        day__gt=OuterRef("day"),
        day__lte=day,
    )
    return DailyTally.objects.filter(Exists(newer), day__lt=day)


def _ended_runs(since: datetime) -> QuerySet[CollectionRun]:
    """Find old runs, but for the newest of each cluster."""
    newer = CollectionRun.objects.filter(
        cluster=OuterRef("cluster"), started_at__gt=OuterRef("started_at")
    )
    return CollectionRun.objects.filter(Exists(newer), finished_at__lt=since)


def _delete(rows: QuerySet[Any]) -> int:
    count = 0
    while ids := list(rows.values_list("pk", flat=True)[:BATCH_SIZE]):
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=ids).delete()
        count += len(ids)
    return count
