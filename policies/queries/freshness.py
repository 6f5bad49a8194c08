"""How old and how complete the stored picture of a cluster is: the strip that each of its pages carries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, Q

from policies.cluster.gateway import EVENTS, PROFILE_KINDS, VALIDATING_WEBHOOKS
from policies.models import Cluster, CollectionRun, KindSnapshot
from policies.queries.reach import Reach

OPTIONAL_KINDS = frozenset(kind.full_name for kind in (*PROFILE_KINDS, EVENTS, VALIDATING_WEBHOOKS))
"""Kinds without which a picture is complete: no verdict on a flip rests on them."""
TROUBLE_NAMED = 3


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
    running = CollectionRun.objects.filter(
        cluster=OuterRef("pk"), state=CollectionRun.State.RUNNING
    )
    # Whether a kind is served at all is asked when everything is listed, and told on its row.
    needed = Q(snapshots__served=True) & ~Q(snapshots__kind__in=OPTIONAL_KINDS)
    oldest = Min("snapshots__completed_at", filter=needed)
    read = Cluster.objects.filter(pk__in=ids).annotate(oldest=oldest, is_running=Exists(running))
    known = {pk: _Read(*rest) for pk, *rest in read.values_list("pk", "oldest", "is_running")}
    failed: dict[int, list[KindSnapshot]] = defaultdict(list)
    rows = KindSnapshot.objects.filter(cluster_id__in=ids).exclude(failure="")
    for row in rows.order_by("kind"):
        failed[row.cluster_id].append(row)
    return {c.pk: _strip(c, known[c.pk], failed[c.pk], now=now) for c in clusters}


@dataclass(frozen=True, slots=True)
class _Read:
    """How much of one cluster was read."""

    collected_at: datetime | None
    is_running: bool


def data_strip(cluster: Cluster, *, now: datetime) -> DataStrip:
    """Say how old and complete the data of one cluster is."""
    return data_strips([cluster], now=now)[cluster.pk]


@dataclass(frozen=True, slots=True)
class FleetStrip:
    """What a page says about the data of all clusters in reach."""

    cluster_count: int
    oldest_at: datetime | None
    """When the oldest of the kinds was read, of all clusters that were ever read."""
    trouble: tuple[str, ...]
    """Clusters whose data is not complete, or too old to decide on, by name; `TROUBLE_NAMED` at most."""
    trouble_count: int

    @property
    def state(self) -> StripState:
        return StripState.PARTIAL if self.trouble_count else StripState.COMPLETE


def fleet_strip(*, reach: Reach, now: datetime) -> FleetStrip:
    """Say how old and complete the data of every cluster in reach is, in two queries."""
    clusters = dict(reach.clusters().values_list("pk", "name"))
    needed = KindSnapshot.objects.exclude(kind__in=OPTIONAL_KINDS)
    found = {
        cluster_id: (oldest, is_broken or contact not in {"ok", "unknown"})
        for cluster_id, contact, oldest, is_broken in needed.filter(cluster__in=clusters)
        .order_by()
        .values_list("cluster_id", "cluster__contact_state")
        .annotate(
            oldest=Min("completed_at", filter=Q(served=True)),
            broken=Count("pk", filter=~Q(failure="")),
        )
    }
    old = now - stale_after()
    trouble = sorted(
        name
        for pk, name in clusters.items()
        if pk not in found or found[pk][1] or found[pk][0] is None or found[pk][0] < old
    )
    return FleetStrip(
        cluster_count=len(clusters),
        oldest_at=min((at for at, _ in found.values() if at), default=None),
        trouble=tuple(trouble[:TROUBLE_NAMED]),
        trouble_count=len(trouble),
    )


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
    cluster: Cluster, read: _Read, failed: Iterable[KindSnapshot], *, now: datetime
) -> DataStrip:
    rows = list(failed)
    needed = [row for row in rows if row.kind not in OPTIONAL_KINDS]
    state, sentence = _judge(cluster, needed, read.collected_at, now=now)
    missed = [row.kind for row in rows if row.kind in OPTIONAL_KINDS]
    if state is StripState.COMPLETE and missed:
        sentence = (
            f"Every kind that a flip rests on was read to its last page; not {', '.join(missed)}."
        )
    return DataStrip(cluster.pk, cluster.name, state, read.collected_at, sentence, read.is_running)


def _judge(
    cluster: Cluster, broken: list[KindSnapshot], collected_at: datetime | None, *, now: datetime
) -> tuple[StripState, str]:
    if cluster.contact_state not in {"ok", "unknown"}:
        return StripState.BROKEN, cluster.contact_message or "The last contact failed."
    if collected_at is None:
        return StripState.NEVER, "Every verdict is unknown until the first collection."
    if broken:
        names = ", ".join(row.kind for row in broken[:3])
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        return StripState.PARTIAL, f"Not read to the end: {names}{more}. {broken[0].failure}"
    if now - collected_at > stale_after():
        return StripState.OLD, "Too old to decide on: verdicts are unknown until the next run."
    return StripState.COMPLETE, "Every kind was read to its last page."
