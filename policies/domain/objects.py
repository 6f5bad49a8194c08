"""Kubernetes objects as secprof reads them: only the fields it judges, decoded from raw JSON with msgspec.

Unknown fields are ignored; a field of the wrong type makes the object malformed (`msgspec.ValidationError`),
which its reader counts and names. Nothing here is written back to a cluster.
"""

from enum import StrEnum

import msgspec


class WorkloadKind(StrEnum):
    """The nine kinds that hold a pod spec."""

    POD = "Pod"
    POD_TEMPLATE = "PodTemplate"
    REPLICATION_CONTROLLER = "ReplicationController"
    REPLICA_SET = "ReplicaSet"
    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    JOB = "Job"
    CRON_JOB = "CronJob"


class _Read(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What every record read from a cluster shares: camel-case names, no tracking by the collector.

    Written again, as a mirror keeps it, a record says only what differs from the defaults.
    """


class OwnerReference(_Read, frozen=True, gc=False, rename="camel"):
    kind: str
    name: str
    uid: str = ""
    api_version: str = ""
    controller: bool | None = None


class ObjectMeta(_Read, frozen=True, gc=False, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    generate_name: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that controls this object, if it has one."""
        for owner in self.owner_references or ():
            if owner.controller:
                return owner
        return None


class SeccompProfile(_Read, frozen=True, gc=False, rename="camel"):
    type: str = ""
    localhost_profile: str | None = None


class AppArmorProfile(_Read, frozen=True, gc=False, rename="camel"):
    type: str = ""
    localhost_profile: str | None = None


class Capabilities(_Read, frozen=True, gc=False, rename="camel"):
    add: tuple[str, ...] | None = None
    drop: tuple[str, ...] | None = None


class SecurityContext(_Read, frozen=True, gc=False, rename="camel"):
    """Of a pod or of a container: the fields of both that secprof reads."""

    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities | None = None
    read_only_root_filesystem: bool | None = None
    run_as_non_root: bool | None = None
    run_as_user: int | None = None


class ContainerPort(_Read, frozen=True, gc=False, rename="camel"):
    host_port: int | None = None


class Container(_Read, frozen=True, gc=False, rename="camel"):
    name: str
    image: str = ""
    restart_policy: str | None = None
    security_context: SecurityContext | None = None
    ports: tuple[ContainerPort, ...] | None = None


class HostPath(_Read, frozen=True, gc=False, rename="camel"):
    path: str = ""


class Volume(_Read, frozen=True, gc=False, rename="camel"):
    name: str = ""
    host_path: HostPath | None = None


class PodOS(_Read, frozen=True, gc=False, rename="camel"):
    name: str = ""


class Toleration(_Read, frozen=True, gc=False, rename="camel"):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class NodeSelectorRequirement(_Read, frozen=True, gc=False, rename="camel"):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None


class NodeSelectorTerm(_Read, frozen=True, gc=False, rename="camel"):
    match_expressions: tuple[NodeSelectorRequirement, ...] | None = None
    match_fields: tuple[NodeSelectorRequirement, ...] | None = None


class NodeSelector(_Read, frozen=True, gc=False, rename="camel"):
    node_selector_terms: tuple[NodeSelectorTerm, ...] | None = None


class NodeAffinity(_Read, frozen=True, gc=False, rename="camel"):
    required: NodeSelector | None = msgspec.field(
        default=None, name="requiredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(_Read, frozen=True, gc=False, rename="camel"):
    node_affinity: NodeAffinity | None = None


class PodSpec(_Read, frozen=True, gc=False, rename="camel"):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] | None = None
    ephemeral_containers: tuple[Container, ...] | None = None
    security_context: SecurityContext | None = None
    os: PodOS | None = None
    node_name: str | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] | None = None
    runtime_class_name: str | None = None
    host_network: bool | None = None
    host_pid: bool | None = msgspec.field(default=None, name="hostPID")
    host_ipc: bool | None = msgspec.field(default=None, name="hostIPC")
    host_users: bool | None = None
    volumes: tuple[Volume, ...] | None = None


class PodStatus(_Read, frozen=True, gc=False, rename="camel"):
    phase: str = ""


class PodTemplateSpec(_Read, frozen=True, gc=False, rename="camel"):
    spec: PodSpec
    metadata: ObjectMeta | None = None


class TemplatedSpec(_Read, frozen=True, gc=False, rename="camel"):
    """The spec of ReplicationController, ReplicaSet, Deployment, StatefulSet, DaemonSet and Job."""

    template: PodTemplateSpec | None = None
    replicas: int | None = None
    suspend: bool | None = None


class JobTemplate(_Read, frozen=True, gc=False, rename="camel"):
    spec: TemplatedSpec
    metadata: ObjectMeta | None = None


class CronJobSpec(_Read, frozen=True, gc=False, rename="camel"):
    job_template: JobTemplate
    schedule: str = ""
    time_zone: str | None = None
    suspend: bool | None = None


class Pod(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    spec: PodSpec
    status: PodStatus = PodStatus()


class PodTemplate(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    template: PodTemplateSpec


class Controller(_Read, frozen=True, gc=False, rename="camel"):
    """ReplicationController, ReplicaSet, Deployment, StatefulSet, DaemonSet or Job."""

    metadata: ObjectMeta
    spec: TemplatedSpec


class CronJob(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta
    spec: CronJobSpec


class Namespace(_Read, frozen=True, gc=False, rename="camel"):
    metadata: ObjectMeta


class ReportScope(_Read, frozen=True, gc=False, rename="camel"):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""


class ReportTimestamp(_Read, frozen=True, gc=False, rename="camel"):
    seconds: int = 0
    nanos: int = 0


class ReportResult(_Read, frozen=True, gc=False, rename="camel"):
    """One entry of a report's `results`; both groups name the fields alike (kyverno-facts 5.2, 5.4)."""

    policy: str
    rule: str = ""
    result: str = ""
    message: str = ""
    source: str = ""
    severity: str = ""
    timestamp: ReportTimestamp | None = None
    properties: dict[str, str] | None = None
    resources: tuple[ReportScope, ...] | None = None
    """The objects, where the report has no scope: Kyverno does not fill it, other producers do."""


class PolicyReport(_Read, frozen=True, gc=False, rename="camel"):
    """A PolicyReport or ClusterPolicyReport, or in openreports.io a Report or ClusterReport."""

    metadata: ObjectMeta
    source: str = ""
    """Of results that name none; in openreports.io only."""
    scope: ReportScope | None = None
    results: tuple[ReportResult, ...] | None = None


STRUCT_BY_KIND: dict[WorkloadKind, type[msgspec.Struct]] = {
    WorkloadKind.POD: Pod,
    WorkloadKind.POD_TEMPLATE: PodTemplate,
    WorkloadKind.CRON_JOB: CronJob,
    **dict.fromkeys(
        (
            WorkloadKind.REPLICATION_CONTROLLER,
            WorkloadKind.REPLICA_SET,
            WorkloadKind.DEPLOYMENT,
            WorkloadKind.STATEFUL_SET,
            WorkloadKind.DAEMON_SET,
            WorkloadKind.JOB,
        ),
        Controller,
    ),
}

Workload = Pod | PodTemplate | Controller | CronJob
