"""Celery's side: shells that load and call one action. What is due is read from the rows, never from a message."""

import os
import socket
import time
from uuid import UUID, uuid4

from celery import shared_task
from django.utils import timezone

from policies import dispatch
from policies.actions import (
    collection,
    exception_ends,
    exception_rollouts,
    exceptions,
    flips,
    rehearsals,
    retention,
    rollouts,
    trail,
)
from policies.actions.errors import Busy
from policies.domain.authority import SYSTEM

WORKER = f"{socket.gethostname()}-{os.getpid()}"


@shared_task(
    name=dispatch.COLLECT_CLUSTER, soft_time_limit=1500, time_limit=1560, ignore_result=True
)
def collect_cluster(*, cluster_id: int, **_: object) -> None:
    """Bring the picture of one cluster up to date; another run under way is as good."""
    try:
        collection.keep_up(cluster_id=cluster_id, by=SYSTEM, now=timezone.now())
    except Busy:
        return


@shared_task(name="policies.tasks.collect_due", ignore_result=True)
def collect_due(**_: object) -> None:
    """Send every cluster whose collection is due."""
    for cluster_id in collection.take_due_clusters(now=timezone.now()):
        dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=cluster_id)


@shared_task(name=dispatch.RUN_ROLLOUT, soft_time_limit=1500, time_limit=1560, ignore_result=True)
def run_rollout(*, rollout_id: str, **_: object) -> None:
    """Take one rollout as far as it goes."""
    worker = f"{WORKER}-{uuid4().hex[:8]}"
    rollouts.run(rollout_id=UUID(rollout_id), worker=worker, clock=timezone.now, sleep=time.sleep)


@shared_task(
    name=dispatch.CARRY_OUT_EXCEPTION, soft_time_limit=280, time_limit=300, ignore_result=True
)
def carry_out_exception(*, exception_id: str, **_: object) -> None:
    """Begin what is due for one exception."""
    exception_rollouts.carry_out(exception_id=UUID(exception_id), now=timezone.now())


@shared_task(name=dispatch.REHEARSE, soft_time_limit=280, time_limit=300, ignore_result=True)
def rehearse(*, rehearsal_id: str, **_: object) -> None:
    """Run one rehearsal."""
    rehearsals.rehearse(rehearsal_id=UUID(rehearsal_id), clock=timezone.now)


@shared_task(name="policies.tasks.reconcile", ignore_result=True)
def reconcile(**_: object) -> None:
    """Send what nobody is at: rollouts, rehearsals and exceptions without a worker; end runs that lost theirs."""
    now = timezone.now()
    collection.abandon_lost_runs(now=now)
    rehearsals.abandon_lost(now=now)
    for rollout_id in rollouts.due_rollouts(now=now):
        dispatch.enqueue(dispatch.RUN_ROLLOUT, rollout_id=rollout_id)
    for rehearsal_id in rehearsals.waiting_rehearsals(now=now):
        dispatch.enqueue(dispatch.REHEARSE, rehearsal_id=rehearsal_id)
    for exception_id in exception_rollouts.due_exceptions(now=now):
        dispatch.enqueue(dispatch.CARRY_OUT_EXCEPTION, exception_id=exception_id)


@shared_task(name="policies.tasks.expire", ignore_result=True)
def expire(**_: object) -> None:
    """Let requests lapse that nobody decided on, end what has had its time, and announce what soon will."""
    now = timezone.now()
    flips.lapse_old_requests(now=now)
    exceptions.lapse_unanswered(now=now)
    exception_ends.end_expired(now=now)
    exception_ends.announce_ends(now=now)


@shared_task(
    name="policies.tasks.verify_trail", soft_time_limit=1500, time_limit=1560, ignore_result=True
)
def verify_trail(**_: object) -> None:
    """Verify the whole audit trail once a day, and note how far it holds."""
    trail.verify_if_due(now=timezone.now())


@shared_task(name="policies.tasks.keep_trail_head", ignore_result=True)
def keep_trail_head(**_: object) -> None:
    """Sign the trail's head once a day, and write it to the log for whoever keeps logs elsewhere."""
    trail.keep_head_if_due(now=timezone.now())


@shared_task(
    name="policies.tasks.forget_old", soft_time_limit=1500, time_limit=1560, ignore_result=True
)
def forget_old(**_: object) -> None:
    """Delete history and runs that have had their time."""
    retention.forget_old(now=timezone.now())
