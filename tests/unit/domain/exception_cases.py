"""Exemptions and their neighbours: who must be covered, and who must not, whatever compiles it."""

from datetime import UTC, datetime

from policies.domain.controls import SECCOMP_CONTROLS
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.identities import Identity
from policies.domain.library import API_VERSIONS, Target, VariantSpec
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters

ENDS_AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
KEY = "0123456789ab"


def named(kind: str, name: str) -> WorkloadName:
    return WorkloadName(WorkloadKind(kind), name)


def exemption(*workloads: WorkloadName, **changes: object) -> Exemption:
    values: dict[str, object] = {
        "key": KEY,
        "namespace": "team-a",
        "workloads": tuple(sorted(workloads or (named("Deployment", "app"),))),
        "controls": SECCOMP_CONTROLS,
        "ends_at": ENDS_AT,
        "approved_by": "carol",
        "reason": "The vendor has no profile yet.",
        "ticket": "SEC-12",
        **changes,
    }
    return Exemption(**values)


def variant(target: Target, **changes: object) -> VariantSpec:
    values: dict[str, object] = {
        "name": "seccomp",
        "target": target,
        "api_version": API_VERSIONS[target][0],
        "parameters": Parameters(controls=SECCOMP_CONTROLS),
        **changes,
    }
    return VariantSpec(**values)


HASH = "5d59d67564"
WORD = "x7k2p"


def pod(name: str, controller: str = "", template_hash: str = "") -> Identity:
    return Identity("Pod", name, controller, template_hash)


def of_set(set_name: str, template_hash: str = HASH) -> Identity:
    return pod(f"{set_name}-{WORD}", f"apps/v1,ReplicaSet,{set_name}", template_hash)


def of_job(job: str) -> Identity:
    return pod(f"{job}-{WORD}", f"batch/v1,Job,{job}")


COVERED = [
    (named("Deployment", "app"), Identity("Deployment", "app")),
    (
        named("Deployment", "app"),
        Identity("ReplicaSet", f"app-{HASH}", "apps/v1,Deployment,app", HASH),
    ),
    (named("Deployment", "app"), of_set(f"app-{HASH}")),
    (named("Deployment", "app.v2"), of_set(f"app.v2-{HASH}")),
    (named("StatefulSet", "db"), pod("db-0", "apps/v1,StatefulSet,db")),
    (named("StatefulSet", "db"), pod("db-117", "apps/v1,StatefulSet,db")),
    (named("DaemonSet", "agent"), pod(f"agent-{WORD}", "apps/v1,DaemonSet,agent")),
    (named("CronJob", "nightly"), Identity("CronJob", "nightly")),
    (
        named("CronJob", "nightly"),
        Identity("Job", "nightly-29412345", "batch/v1,CronJob,nightly"),
    ),
    (named("CronJob", "nightly"), of_job("nightly-29412345")),
    (named("Job", "once"), Identity("Job", "once")),
    (named("Job", "once"), of_job("once")),
    (named("ReplicaSet", "bare"), of_set("bare", "")),
    (named("ReplicationController", "old"), pod("old-x7k2p", "v1,ReplicationController,old")),
    (named("Pod", "alone"), pod("alone")),
    (named("PodTemplate", "shape"), Identity("PodTemplate", "shape")),
]

NEIGHBOURS = [
    (named("Deployment", "app"), Identity("Deployment", "app-v2")),
    (named("Deployment", "app"), Identity("StatefulSet", "app")),
    (named("Deployment", "app"), of_set(f"app-v2-{HASH}")),
    (named("Deployment", "app"), of_set(f"my-app-{HASH}")),
    (named("Deployment", "app"), pod("app")),
    (named("Deployment", "app"), pod(f"app-{HASH}-{WORD}")),
    # A ReplicaSet that no Deployment made leaves no hash on its pods.
    (named("Deployment", "app"), of_set(f"app-{HASH}", "")),
    (named("Deployment", "app"), of_set("app", "")),
    (
        named("Deployment", "app"),
        Identity("ReplicaSet", f"app-v2-{HASH}", "apps/v1,Deployment,app-v2", HASH),
    ),
    (named("Deployment", "a.b"), of_set(f"a-b-{HASH}")),
    (named("StatefulSet", "db"), pod("db-x-0", "apps/v1,StatefulSet,db-x")),
    (named("StatefulSet", "db"), pod("db-0")),
    (named("StatefulSet", "db"), pod("db-x", "apps/v1,StatefulSet,db")),
    (named("StatefulSet", "db"), pod("db-0", "apps/v1,DaemonSet,db")),
    (named("DaemonSet", "agent"), pod(f"agent-2-{WORD}", "apps/v1,DaemonSet,agent-2")),
    (named("CronJob", "nightly"), of_job("nightly-2")),
    (named("CronJob", "nightly"), of_job("nightly-2-29412345")),
    (named("CronJob", "nightly"), of_job("nightly-20260131")),
    # Started by hand: its pods would not say whose they are.
    (named("CronJob", "nightly"), Identity("Job", "by-hand", "batch/v1,CronJob,nightly")),
    (named("Deployment", "app"), pod("x", f"apps/v1,ReplicaSet,app-{HASH}", HASH)),
    (
        named("CronJob", "nightly"),
        Identity("Job", "nightly-2-29412345", "batch/v1,CronJob,nightly-2"),
    ),
    (named("CronJob", "nightly"), Identity("Job", "nightly-29412345")),
    (named("Job", "once"), of_job("once-more")),
    (named("Job", "once"), Identity("Job", "once", "batch/v1,CronJob,once")),
    (named("Pod", "alone"), pod("alone-2")),
    (named("Pod", "alone"), pod("alone", "apps/v1,StatefulSet,alone")),
    (named("Pod", "db-0"), pod("db-0", "apps/v1,StatefulSet,db")),
]
