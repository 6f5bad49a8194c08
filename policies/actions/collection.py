"""Collect: one run brings the stored picture of one cluster up to date.

A full run lists every kind and replaces the stored copy, kind by kind, each only when its last page was read; a read
that breaks leaves the old rows, marks the kind, and the run ends `partial` (or `failed` when nothing was read).
Verdicts turn `unknown` from that. Between two full runs, catch-ups follow what happened (`catching_up`).
"""

import logging
import resource
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from policies import dispatch
from policies.actions import audit
from policies.actions.catching_up import FOLLOWED, ListInstead
from policies.actions.cluster_rights import note_rights
from policies.actions.collected_kinds import follow, read_and_store
from policies.actions.collected_profiles import collect_profiles
from policies.actions.collection_work import CollectionWork, RunLost
from policies.actions.connections import connected
from policies.actions.engine import note_contact_failure
from policies.actions.errors import Busy
from policies.cluster.errors import ClusterError
from policies.cluster.gateway import PROFILE_KINDS
from policies.domain.authority import Act, Actor, require
from policies.models import Cluster, ClusterTraffic, CollectionRun, KindSnapshot
from policies.queries.places import place_of

logger = logging.getLogger(__name__)

RUN_IS_LOST_AFTER = timedelta(minutes=5)
"""A run without a heartbeat for this long has lost its worker."""

SLOW_AT_ONCE = 2
"""Collections of clusters that do not answer, or do not stop talking, at the same time."""
QUIET_RUNS_ARE_KEPT = timedelta(hours=1)


def request_collection(*, cluster_id: int, by: Actor, now: datetime) -> None:
    """Make a full collection of this cluster due at once and send it to a worker."""
    cluster = Cluster.objects.get(pk=cluster_id)
    require(by, Act.COLLECT, at=place_of(cluster))
    with transaction.atomic():
        Cluster.objects.filter(pk=cluster_id).update(collect_due_at=now)
        KindSnapshot.objects.filter(cluster_id=cluster_id).update(listed_at=None)
        audit.record("collection.requested", by=by, now=now, cluster=cluster)
        dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=cluster_id)


def collect(*, cluster_id: int, by: Actor, now: datetime) -> CollectionRun:
    """Run one full collection in the foreground and return the ended run.

    Raises Busy when a run of this cluster is under way. What the cluster does wrong is recorded, not raised.
    """
    return _run(cluster_id, CollectionRun.Mode.FULL, by=by, now=now)


def keep_up(*, cluster_id: int, by: Actor, now: datetime) -> CollectionRun:
    """Run one collection in the foreground as it is due: a catch-up, or a full one where that is due or needed.

    Raises Busy when a run of this cluster is under way. What the cluster does wrong is recorded, not raised.
    """
    return _run(cluster_id, _due_mode(cluster_id, now=now), by=by, now=now)


def _due_mode(cluster_id: int, *, now: datetime) -> CollectionRun.Mode:
    listed = KindSnapshot.objects.filter(
        cluster_id=cluster_id, kind__in=[kind.full_name for kind in FOLLOWED]
    )
    since = now - timedelta(seconds=settings.SECPROF_LIST_INTERVAL_SECONDS)
    fresh = listed.filter(listed_at__gt=since).count()
    is_due = fresh < len({kind.full_name for kind in FOLLOWED})
    return CollectionRun.Mode.FULL if is_due else CollectionRun.Mode.CATCH_UP


def _run(cluster_id: int, mode: CollectionRun.Mode, *, by: Actor, now: datetime) -> CollectionRun:
    cluster = Cluster.objects.get(pk=cluster_id)
    require(by, Act.COLLECT, at=place_of(cluster))
    run = _claim(cluster, mode, by=by, now=now)
    started = time.monotonic()
    try:
        _collect(cluster, run, by)
    except RunLost:
        run.refresh_from_db()
    except BaseException:
        _end(run, CollectionRun.State.FAILED, "crashed", "The collection crashed.")
        raise
    finally:
        _measure(run, started)
    _note_due(cluster, run, now=now)
    return run


def _collect(cluster: Cluster, run: CollectionRun, by: Actor) -> None:
    try:
        with connected(cluster) as gateway:
            work = CollectionWork(cluster, run, gateway)
            _read(work)
            _conclude(work, by)
    except ClusterError as error:
        # There was no way to begin: a credential that cannot be used.
        note_contact_failure(cluster, error, now=timezone.now())
        _end_incomplete(cluster, run, CollectionRun.State.FAILED, error, error.message, by=by)


def _read(work: CollectionWork) -> None:
    try:
        if not _has_caught_up(work):
            read_and_store(work)
            collect_profiles(work)
            if work.broken_by is None:
                note_rights(work.gateway, work.cluster, now=timezone.now())
    except ClusterError as error:
        work.broken_by = error
    if work.broken_by is not None:
        note_contact_failure(work.cluster, work.broken_by, now=timezone.now())


def _has_caught_up(work: CollectionWork) -> bool:
    """Catch up where that is due and can be; else the run becomes a full one."""
    if work.run.mode == CollectionRun.Mode.FULL:
        return False
    try:
        work.caught_up = follow(work)
    except ListInstead as reason:
        logger.info("collection.lists_instead", extra={"reason": str(reason)})
        work.run.mode = CollectionRun.Mode.FULL
        work.run.save(update_fields=["mode"])
        return False
    return True


def _claim(
    cluster: Cluster, mode: CollectionRun.Mode, *, by: Actor, now: datetime
) -> CollectionRun:
    """Start a run, the only one of its cluster; a run that lost its worker is ended first. Raises Busy."""
    abandon_lost_runs(now=now, cluster_id=cluster.pk)
    try:
        with transaction.atomic():
            _forget_quiet_runs(cluster, now=now)
            run = CollectionRun.objects.create(
                cluster=cluster, mode=mode, requested_by=by.name, started_at=now, heartbeat_at=now
            )
            due = now + timedelta(seconds=settings.SECPROF_COLLECT_INTERVAL_SECONDS)
            Cluster.objects.filter(pk=cluster.pk).update(collect_due_at=due)
    except IntegrityError:
        raise Busy(f"A collection of {cluster.name} is running already.") from None
    return run


def _forget_quiet_runs(cluster: Cluster, *, now: datetime) -> None:
    """Delete catch-ups that went well and are over for an hour: there are hundreds a day."""
    quiet = CollectionRun.objects.filter(
        cluster=cluster,
        mode=CollectionRun.Mode.CATCH_UP,
        state=CollectionRun.State.COMPLETE,
        finished_at__lt=now - QUIET_RUNS_ARE_KEPT,
    )
    quiet.delete()


def abandon_lost_runs(*, now: datetime, cluster_id: int | None = None) -> int:
    """End the runs whose worker is gone and return their number; the stored snapshot stays as it was."""
    lost = CollectionRun.objects.filter(
        state=CollectionRun.State.RUNNING, heartbeat_at__lt=now - RUN_IS_LOST_AFTER
    )
    if cluster_id is not None:
        lost = lost.filter(cluster_id=cluster_id)
    return lost.update(
        state=CollectionRun.State.FAILED,
        finished_at=now,
        error_reason="lost",
        error_message="The worker that ran this collection disappeared.",
    )


def take_due_clusters(*, now: datetime) -> tuple[int, ...]:
    """Name the clusters whose collection is due, and make the next one due an interval later.

    Clusters that answer come first. Of the others (the last contact failed, or there was more to tell than time) only
    a few are taken at once: one that hangs holds a worker until its time is up, and must not hold every worker.
    """
    following = now + timedelta(seconds=settings.SECPROF_COLLECT_INTERVAL_SECONDS)
    due = Cluster.objects.filter(collect_due_at__lte=now)
    running = CollectionRun.objects.filter(state=CollectionRun.State.RUNNING)
    slow_left = SLOW_AT_ONCE - running.filter(cluster__is_slow=True).count()
    taken: list[int] = []
    for pk, is_slow in due.order_by("is_slow", "collect_due_at").values_list("pk", "is_slow"):
        if is_slow and slow_left <= 0:
            break
        if due.filter(pk=pk).update(collect_due_at=following):
            slow_left -= is_slow
            taken.append(pk)
    return tuple(taken)


def _conclude(work: CollectionWork, by: Actor) -> None:
    """Write down what was read, and how the run ended."""
    run = work.run
    traffic = work.gateway.traffic()
    run.counts = work.counts
    run.is_up_to_date = work.caught_up is None or work.caught_up.is_everything
    run.problems = work.problems.named
    run.problem_count = work.problems.count
    run.request_count = traffic.request_count
    run.received_bytes = traffic.received_bytes
    kind, first = next(iter(work.failures.items()), ("", work.broken_by))
    if first is None:
        _end(run, CollectionRun.State.COMPLETE)
        return
    # Who may read nothing at all may still be told that a kind is not served: that is no part of a collection.
    stored = set(work.stored_kinds) - {kind.full_name for kind in PROFILE_KINDS}
    state = CollectionRun.State.PARTIAL if stored else CollectionRun.State.FAILED
    text = f"{kind}: {first.message}" if kind else first.message
    _end_incomplete(work.cluster, run, state, first, text, by=by, kinds=sorted(work.failures))


def _end_incomplete(
    cluster: Cluster,
    run: CollectionRun,
    state: CollectionRun.State,
    error: ClusterError,
    text: str,
    *,
    by: Actor,
    kinds: Sequence[str] = (),
) -> None:
    with transaction.atomic():
        _end(run, state, error.reason, text)
        audit.record(
            "collection.incomplete",
            by=by,
            now=timezone.now(),
            cluster=cluster,
            outcome="failed",
            message=text,
            details={"state": state.value, "kinds": list(kinds)},
        )


def _end(
    run: CollectionRun, state: CollectionRun.State, reason: str = "", message: str = ""
) -> None:
    run.state = state
    run.finished_at = timezone.now()
    run.error_reason = reason
    run.error_message = message
    # A run that was given up for lost meanwhile stays so: its place may be taken already.
    CollectionRun.objects.filter(pk=run.pk, state=CollectionRun.State.RUNNING).update(
        **{name: getattr(run, name) for name in _ENDING_FIELDS}
    )
    logger.info("collection.finished", extra={"run": str(run.pk), "state": state.value})


def _note_due(cluster: Cluster, run: CollectionRun, *, now: datetime) -> None:
    """Make the next run due soon where it will be cheap: a cluster that can be followed, and answered."""
    cluster.refresh_from_db(fields=["contact_state"])
    is_slow = cluster.contact_state != "ok" or not run.is_up_to_date
    Cluster.objects.filter(pk=cluster.pk).exclude(is_slow=is_slow).update(is_slow=is_slow)
    if run.state != CollectionRun.State.COMPLETE:
        return
    if KindSnapshot.objects.filter(cluster=cluster).exclude(resource_version="").exists():
        seconds = settings.SECPROF_CATCH_UP_SECONDS if run.is_up_to_date else 0
        due = now + timedelta(seconds=seconds)
        Cluster.objects.filter(pk=cluster.pk, collect_due_at__gt=due).update(collect_due_at=due)


def _measure(run: CollectionRun, started: float) -> None:
    run.seconds = round(time.monotonic() - started, 3)
    run.peak_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    run.save(update_fields=["seconds", "peak_mb"])
    hour = run.started_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    traffic, _ = ClusterTraffic.objects.get_or_create(cluster_id=run.cluster_id, hour=hour)
    ClusterTraffic.objects.filter(pk=traffic.pk).update(
        request_count=F("request_count") + run.request_count,
        received_bytes=F("received_bytes") + run.received_bytes,
        run_count=F("run_count") + 1,
    )


_ENDING_FIELDS = (
    "state",
    "finished_at",
    "counts",
    "problems",
    "problem_count",
    "request_count",
    "received_bytes",
    "is_up_to_date",
    "error_reason",
    "error_message",
)
