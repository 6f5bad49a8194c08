"""Retention: history and collection runs that have had their time are deleted, a little at a time.

Decisions and the audit trail are never deleted.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
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
    old = chain(
        (rows for pk in _cluster_ids() for rows in _old_history(pk, since)),
        (_ended_runs(runs_since),),
    )
    return sum(_delete(rows) for rows in old)


def _cluster_ids() -> list[int]:
    return list(Cluster.objects.order_by("pk").values_list("pk", flat=True))


def _old_history(cluster_id: int, since: datetime) -> Iterator[QuerySet[Any]]:
    """Give what is old of one cluster, as the indexes have it."""
    day = day_of(since)
    yield ClosedFinding.objects.filter(cluster_id=cluster_id, closed_at__lt=since)
    yield DailyTotal.objects.filter(cluster_id=cluster_id, day__lt=day)
    yield CollectedDay.objects.filter(cluster_id=cluster_id, day__lt=day)
    # No day that is kept reads these: the last one before them still says how a namespace stood.
    newer = DailyTally.objects.filter(
        cluster_id=cluster_id,
        source=OuterRef("source"),
        policy=OuterRef("policy"),
        namespace=OuterRef("namespace"),
        day__gt=OuterRef("day"),
        day__lte=day,
    )
    yield DailyTally.objects.filter(Exists(newer), cluster_id=cluster_id, day__lt=day)


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
