"""What controllers of a sandbox cluster try again and again, through admission: pods after a drain, Jobs now and then."""

import copy
from collections.abc import Iterator
from datetime import datetime

from policies.cluster.errors import ClusterError
from policies.cluster.gateway import CRON_JOBS, PODS, REPLICA_SETS
from sandbox import events
from sandbox.api_server import ApiServer
from sandbox.controllers import pods_of, scheduled_job
from sandbox.store import Manifest, Store

CRON_SECONDS = 600
"""Schedules are not read."""
LAST_CRON = "lastCron"


def make_pods_anew(store: Store, server: ApiServer, workload: Manifest, now: datetime) -> None:
    """Delete the pods of a workload, as a drain does, and let its controller create them again."""
    for owner in _makers(store, workload):
        for pod in store.objects(PODS.group, PODS.kind, namespace=owner["metadata"]["namespace"]):
            if _is_owned(pod, owner):
                metadata = pod["metadata"]
                server.delete(PODS, metadata["name"], namespace=metadata["namespace"])
        for pod in pods_of(owner):
            try:
                server.create(pod)
            except ClusterError as error:
                events.failed_create(store, owner, error, now)


def run_cron_jobs(store: Store, server: ApiServer, now: datetime) -> None:
    """Let the CronJobs try every ten minutes."""
    turn = str(int(now.timestamp()) // CRON_SECONDS)
    if store.setting(LAST_CRON, "") == turn:
        return
    with store.transaction():
        store.set_setting(LAST_CRON, turn)
    try_cron_jobs(store, server, now)


def try_cron_jobs(store: Store, server: ApiServer, now: datetime) -> None:
    """Let each CronJob that is not suspended try to create a Job; those admitted leave nothing behind."""
    for cron_job in store.objects(CRON_JOBS.group, CRON_JOBS.kind):
        if cron_job["spec"].get("suspend"):
            continue
        try:
            server.create(scheduled_job(cron_job, int(now.timestamp()) // 60), dry_run=True)
        except ClusterError as error:
            events.failed_create(store, cron_job, error, now)


def _makers(store: Store, workload: Manifest) -> Iterator[Manifest]:
    """Give what makes the pods of a workload: of a Deployment the ReplicaSets that are to have some."""
    if workload["kind"] != "Deployment":
        yield copy.deepcopy(workload)
        return
    namespace = workload["metadata"]["namespace"]
    for owned in store.objects(REPLICA_SETS.group, REPLICA_SETS.kind, namespace=namespace):
        if _is_owned(owned, workload) and owned["spec"].get("replicas"):
            yield owned


def _is_owned(manifest: Manifest, owner: Manifest) -> bool:
    references = manifest["metadata"].get("ownerReferences") or ()
    return any(each["uid"] == owner["metadata"]["uid"] for each in references)
