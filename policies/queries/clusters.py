"""Clusters as pages show them: the list, and everything about one. Never a credential."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from policies.domain.cluster_rights import Asked, Standing, excess, standings
from policies.models import Cluster, CollectionRun, KindSnapshot, Stage, Variant
from policies.queries.freshness import (
    DataStrip,
    SnapshotState,
    data_strip,
    data_strips,
    snapshot_state,
)
from policies.queries.reach import Reach

A_MOMENT = timedelta(minutes=1)
PAGE_SIZE = 30
RUNS_SHOWN = 10
PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """One cluster in the list."""

    id: int
    name: str
    gateway: str
    server: str
    contact_state: str
    contact_message: str
    contacted_at: datetime | None
    kubernetes_version: str
    kyverno_version: str
    engine_state: str
    engine_message: str
    engine_checked_at: datetime | None
    namespace_count: int
    variant_count: int
    enforced_count: int
    """Pairs of namespace and variant that are proven to enforce."""
    strip: DataStrip


@dataclass(frozen=True, slots=True)
class ClusterList:
    """One page of clusters."""

    rows: tuple[ClusterRow, ...]
    total_count: int
    page: int
    page_count: int


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One kind of object: when it was read to its end, and what went wrong since."""

    kind: str
    state: SnapshotState
    object_count: int | None
    """None where not all of the cluster is seen."""
    completed_at: datetime | None
    failed_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One object that a run could not read."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One collection run."""

    state: str
    mode: str
    requested_by: str
    started_at: datetime
    object_count: int | None
    """None, like the other numbers, where not all of the cluster is seen."""
    seconds: float
    request_count: int | None
    received_bytes: int | None
    error_message: str
    problem_count: int | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class VariantLine:
    """One variant of the cluster."""

    id: int
    name: str
    target: str
    enforced_count: int


@dataclass(frozen=True, slots=True)
class ClusterPage:
    """Everything that the page of one cluster shows."""

    cluster: ClusterRow
    created_at: datetime
    created_by: str
    credential_changed_at: datetime | None
    collect_due_at: datetime | None
    is_run_expected: bool
    """A run is under way, or was asked for a moment ago."""
    snapshots: tuple[SnapshotRow, ...]
    runs: tuple[RunRow, ...]
    variants: tuple[VariantLine, ...]
    is_whole: bool
    """All of the cluster is seen."""
    standings: tuple[Standing, ...]
    """How each mode of the credential stands."""
    excess: tuple[str, ...]
    """Rights of the credential that secprof never uses."""
    rights_checked_at: datetime | None


def cluster_rows(*, reach: Reach, now: datetime, page: int = 1) -> ClusterList:
    """List a page of the clusters in view by name, in a fixed number of queries; each number counts what is seen."""
    total = reach.clusters().count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    clusters = list(reach.clusters()[(number - 1) * PAGE_SIZE : number * PAGE_SIZE])
    ids = [cluster.pk for cluster in clusters]
    strips = data_strips(clusters, now=now)
    spaces = _counts(
        reach.namespaces()
        .filter(cluster_id__in=ids)
        .values_list("cluster_id")
        .annotate(n=Count("pk"))
    )
    variants = _counts(
        Variant.objects.filter(cluster_id__in=ids).values_list("cluster_id").annotate(n=Count("pk"))
    )
    enforced = _counts(
        Stage.objects.filter(
            reach.in_namespaces("variant__cluster_id"),
            variant__cluster_id__in=ids,
            value=Stage.Value.ENFORCE,
        )
        .values_list("variant__cluster_id")
        .annotate(n=Count("pk"))
    )
    rows = (_row(c, strips[c.pk], spaces[c.pk], variants[c.pk], enforced[c.pk]) for c in clusters)
    return ClusterList(tuple(rows), total, number, pages)


def cluster_page(cluster: Cluster, *, reach: Reach, now: datetime) -> ClusterPage:
    """Load everything about one cluster that is seen."""
    variants = tuple(_variants(cluster, reach))
    is_whole = reach.sees_all_of(cluster.pk)
    asked = tuple(map(Asked.from_json, cluster.rights))
    row = _row(
        cluster,
        data_strip(cluster, now=now),
        reach.namespaces().filter(cluster=cluster).count(),
        len(variants),
        sum(v.enforced_count for v in variants),
    )
    # A catch-up that found nothing new is told by the times of the kinds.
    told = CollectionRun.objects.filter(cluster=cluster).exclude(
        mode=CollectionRun.Mode.CATCH_UP, state=CollectionRun.State.COMPLETE, counts={}
    )
    runs = told.order_by("-started_at")[:RUNS_SHOWN]
    snapshots = KindSnapshot.objects.filter(cluster=cluster).order_by("kind")
    return ClusterPage(
        cluster=row,
        created_at=cluster.created_at,
        created_by=cluster.created_by.get_username() if cluster.created_by else "system",
        credential_changed_at=cluster.credential_changed_at,
        collect_due_at=cluster.collect_due_at,
        is_run_expected=row.strip.is_running or _is_due(cluster, now),
        snapshots=tuple(_snapshot(s, is_whole=is_whole, now=now) for s in snapshots),
        runs=tuple(_run(run, is_whole=is_whole) for run in runs),
        variants=variants,
        is_whole=is_whole,
        standings=standings(asked),
        excess=excess(asked),
        rights_checked_at=cluster.rights_checked_at,
    )


def _is_due(cluster: Cluster, now: datetime) -> bool:
    due = cluster.collect_due_at
    return due is not None and now - A_MOMENT < due <= now


def _counts(pairs: Iterable[tuple[int, int]]) -> Counter[int]:
    return Counter(dict(pairs))


def _row(
    cluster: Cluster, strip: DataStrip, namespaces: int, variants: int, enforced: int
) -> ClusterRow:
    return ClusterRow(
        id=cluster.pk,
        name=cluster.name,
        gateway=cluster.gateway,
        server=cluster.server,
        contact_state=cluster.contact_state,
        contact_message=cluster.contact_message,
        contacted_at=cluster.contacted_at,
        kubernetes_version=cluster.kubernetes_version,
        kyverno_version=cluster.kyverno_version,
        engine_state=cluster.engine_state,
        engine_message=cluster.engine_message,
        engine_checked_at=cluster.engine_checked_at,
        namespace_count=namespaces,
        variant_count=variants,
        enforced_count=enforced,
        strip=strip,
    )


def _variants(cluster: Cluster, reach: Reach) -> list[VariantLine]:
    seen = reach.in_namespaces("cluster_id", "stages__namespace")
    enforced = Count("stages", filter=Q(stages__value=Stage.Value.ENFORCE) & seen)
    found = Variant.objects.filter(cluster=cluster).annotate(n=enforced).order_by("name")
    return [VariantLine(v.pk, v.name, v.target, v.n) for v in found]


def _snapshot(row: KindSnapshot, *, is_whole: bool, now: datetime) -> SnapshotRow:
    return SnapshotRow(
        row.kind,
        snapshot_state(row, now=now),
        row.object_count if is_whole else None,
        row.completed_at,
        row.failed_at,
        row.failure,
    )


def _run(run: CollectionRun, *, is_whole: bool) -> RunRow:
    problems = tuple(
        Problem(p.get("kind", ""), p.get("object", ""), p.get("reason", ""))
        for p in run.problems[:PROBLEMS_SHOWN]
        if is_whole
    )
    return RunRow(
        state=run.state,
        mode=run.mode,
        requested_by=run.requested_by,
        started_at=run.started_at,
        object_count=sum(run.counts.values()) if is_whole else None,
        seconds=run.seconds,
        request_count=run.request_count if is_whole else None,
        received_bytes=run.received_bytes if is_whole else None,
        error_message=run.error_message,
        problem_count=run.problem_count if is_whole else None,
        problems=problems,
    )
