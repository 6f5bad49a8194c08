"""How old and how complete the stored picture of a cluster is: the strip that each of its pages carries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

from policies.cluster.gateway import EVENTS, PROFILE_KINDS, VALIDATING_WEBHOOKS
from policies.models import Cluster, CollectionRun, KindSnapshot

OPTIONAL_KINDS = frozenset(kind.full_name for kind in (*PROFILE_KINDS, EVENTS, VALIDATING_WEBHOOKS))
"""Kinds without which a picture is complete: no verdict on a flip rests on them."""


class StripState(StrEnum):
    COMPLETE = "complete"
    PARTIAL = "partial"
    OLD = "old"
    NEVER = "never"
    BROKEN = "broken"


class SnapshotState(StrEnum):
    FRESH = "fresh"
    OLD = "old"
    FAILED = "failed"
    NEVER = "never"
    UNSERVED = "unserved"


@dataclass(frozen=True, slots=True)
class DataStrip:
    """What a page says about the data below it."""

    cluster_id: int
    cluster: str
    state: StripState
    collected_at: datetime | None
    """When the oldest of the kinds was read."""
    sentence: str
    is_running: bool


def data_strips(clusters: Sequence[Cluster], *, now: datetime) -> dict[int, DataStrip]:
    """Say for each cluster how old and complete its data is, by cluster id, in two queries."""
    ids = [cluster.pk for cluster in clusters]
    snapshots: dict[int, list[KindSnapshot]] = defaultdict(list)
    for row in KindSnapshot.objects.filter(cluster_id__in=ids).order_by("kind"):
        snapshots[row.cluster_id].append(row)
    running = set(
        CollectionRun.objects.filter(
            cluster_id__in=ids, state=CollectionRun.State.RUNNING
        ).values_list("cluster_id", flat=True)
    )
    return {c.pk: _strip(c, snapshots[c.pk], is_running=c.pk in running, now=now) for c in clusters}


def data_strip(cluster: Cluster, *, now: datetime) -> DataStrip:
    """Say how old and complete the data of one cluster is."""
    return data_strips([cluster], now=now)[cluster.pk]


def snapshot_state(row: KindSnapshot, *, now: datetime) -> SnapshotState:
    """Say how good the stored copy of one kind is."""
    if row.failure:
        return SnapshotState.FAILED
    if row.completed_at is None:
        return SnapshotState.NEVER
    if not row.served:
        return SnapshotState.UNSERVED
    return SnapshotState.OLD if now - row.completed_at > stale_after() else SnapshotState.FRESH


def stale_after() -> timedelta:
    """Give the age at which data counts as old."""
    return timedelta(seconds=settings.SECPROF_STALE_AFTER_SECONDS)


def _strip(
    cluster: Cluster, snapshots: Iterable[KindSnapshot], *, is_running: bool, now: datetime
) -> DataStrip:
    rows = list(snapshots)
    needed = [row for row in rows if row.kind not in OPTIONAL_KINDS]
    times = [row.completed_at for row in needed if row.completed_at]
    collected_at = min(times, default=None)
    state, sentence = _judge(cluster, needed, collected_at, now=now)
    missed = [row.kind for row in rows if row.kind in OPTIONAL_KINDS and row.failure]
    if state is StripState.COMPLETE and missed:
        sentence = (
            f"Every kind that a flip rests on was read to its last page; not {', '.join(missed)}."
        )
    return DataStrip(cluster.pk, cluster.name, state, collected_at, sentence, is_running)


def _judge(
    cluster: Cluster, rows: list[KindSnapshot], collected_at: datetime | None, *, now: datetime
) -> tuple[StripState, str]:
    if cluster.contact_state not in {"ok", "unknown"}:
        return StripState.BROKEN, cluster.contact_message or "The last contact failed."
    if collected_at is None:
        return StripState.NEVER, "Every verdict is unknown until the first collection."
    broken = [row for row in rows if snapshot_state(row, now=now) is SnapshotState.FAILED]
    if broken:
        names = ", ".join(row.kind for row in broken[:3])
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        return StripState.PARTIAL, f"Not read to the end: {names}{more}. {broken[0].failure}"
    if now - collected_at > stale_after():
        return StripState.OLD, "Too old to decide on: verdicts are unknown until the next run."
    return StripState.COMPLETE, "Every kind was read to its last page."
