"""The one door to a cluster: a Protocol, and the small records that pass through it.

Two gateways exist: `policies.cluster.kubernetes.KubernetesGateway` on the `kubernetes` package, and
`sandbox.gateway.SandboxGateway`, a cluster without Kubernetes. The same contract tests run against both.
Every failure is one of `policies.cluster.errors`; no library's own error leaves a gateway.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from policies.cluster.errors import ClusterError

_MINOR = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![^.])")

Manifest = dict[str, Any]
"""One Kubernetes object as plain JSON types."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object, as the API addresses it."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """Plural and group, as RBAC and CRDs name it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
POD_TEMPLATES = Resource("", "v1", "podtemplates", "PodTemplate")
REPLICATION_CONTROLLERS = Resource("", "v1", "replicationcontrollers", "ReplicationController")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
JOBS = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
EVENTS = Resource("", "v1", "events", "Event")
"""Every API server serves them in the core group, whichever API they were written by."""
CLUSTER_POLICIES = Resource(
    "kyverno.io", "v1", "clusterpolicies", "ClusterPolicy", namespaced=False
)
VALIDATING_POLICIES = Resource(
    "policies.kyverno.io", "v1", "validatingpolicies", "ValidatingPolicy", namespaced=False
)
NATIVE_POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
NATIVE_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)
KYVERNO_EXCEPTIONS = Resource("kyverno.io", "v2", "policyexceptions", "PolicyException")
CEL_EXCEPTIONS = Resource("policies.kyverno.io", "v1", "policyexceptions", "PolicyException")
EXCEPTION_KINDS = (KYVERNO_EXCEPTIONS, CEL_EXCEPTIONS)
"""Kyverno's two kinds of exceptions; only the group tells them apart."""
OPEN_REPORTS = Resource("openreports.io", "v1alpha1", "reports", "Report")
OPEN_CLUSTER_REPORTS = Resource(
    "openreports.io", "v1alpha1", "clusterreports", "ClusterReport", namespaced=False
)
POLICY_REPORTS = Resource("wgpolicyk8s.io", "v1alpha2", "policyreports", "PolicyReport")
CLUSTER_POLICY_REPORTS = Resource(
    "wgpolicyk8s.io", "v1alpha2", "clusterpolicyreports", "ClusterPolicyReport", namespaced=False
)

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
"""Kyverno's own one only, by its name."""
VALIDATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)

NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
OPERATOR_GROUP = "security-profiles-operator.x-k8s.io"
SECCOMP_PROFILES = Resource(
    OPERATOR_GROUP, "v1", "seccompprofiles", "SeccompProfile", namespaced=False
)
APPARMOR_PROFILES = Resource(
    OPERATOR_GROUP, "v1", "apparmorprofiles", "AppArmorProfile", namespaced=False
)
PROFILE_NODE_STATUSES = Resource(
    OPERATOR_GROUP,
    "v1",
    "securityprofilenodestatuses",
    "SecurityProfileNodeStatus",
    namespaced=False,
)
OPERATOR_DAEMONS = Resource(
    OPERATOR_GROUP,
    "v1",
    "securityprofilesoperatordaemons",
    "SecurityProfilesOperatorDaemon",
)
PROFILE_KINDS = (
    NODES,
    SECCOMP_PROFILES,
    APPARMOR_PROFILES,
    PROFILE_NODE_STATUSES,
    OPERATOR_DAEMONS,
)
"""What tells which profiles lie on which nodes. No flip needs them: not to be allowed to read nodes is common."""

WORKLOADS = (
    DEPLOYMENTS,
    STATEFUL_SETS,
    DAEMON_SETS,
    CRON_JOBS,
    JOBS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    POD_TEMPLATES,
    PODS,
)
"""The nine kinds that hold a pod spec, owners before what they own."""


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What `/version` says."""

    git_version: str

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor number, (0, 0) when the text has none."""
        found = _MINOR.match(self.git_version)
        return (int(found[1]), int(found[2])) if found else (0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: each item as raw JSON bytes, so that one malformed item spoils no other."""

    items: tuple[bytes, ...]
    resource_version: str
    last: bool
    """True when no page follows. A list is complete only when its last page was read."""


class ChangeKind(StrEnum):
    """What a watch says of one object, or of the watch itself."""

    PUT = "put"
    """It was made, or it changed."""
    REMOVED = "removed"
    BOOKMARK = "bookmark"
    """Nothing happened up to this version."""


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch."""

    resource: Resource
    kind: ChangeKind
    resource_version: str
    """Where a later watch of this resource goes on."""
    item: bytes = b""
    """The object as raw JSON; for REMOVED as it was last. Empty for a BOOKMARK."""


@dataclass(frozen=True, slots=True)
class WatchEnded:
    """Why one kind cannot be followed any further: `Gone` means that it must be listed again."""

    resource: Resource
    error: ClusterError


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a gateway has moved since it was opened."""

    request_count: int
    received_bytes: int


class Verb(StrEnum):
    """What a write does to one object."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Write:
    """One change to one policy or exception, guarded against whatever moved meanwhile.

    `resource_version` and `uid` are those of the object as it was read; both are required for REPLACE and
    DELETE, and the API server refuses the write (`Conflict`) when they no longer hold.
    """

    verb: Verb
    resource: Resource
    name: str
    manifest: Manifest | None = None
    """None for DELETE only."""
    uid: str = ""
    resource_version: str = ""
    namespace: str = ""
    """Where the object lies, for a kind that lies in namespaces."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answered to an accepted request."""

    manifest: Manifest
    """The object after the server's defaulting; empty after a DELETE."""
    warnings: tuple[str, ...] = ()
    """Texts of the `Warning` headers, in order, without code and agent."""


class Gateway(Protocol):
    """A connection to one cluster. Not shared between threads; close it when done."""

    def version(self) -> ServerVersion:
        """Ask the API server for its version: the cheapest test of the connection."""
        ...

    def serves(self, resource: Resource) -> bool:
        """Say whether the server's discovery lists this resource in this version."""
        ...

    def pages(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        fields: str = "",
        limit: int = 0,
        at: str = "",
    ) -> Iterator[Page]:
        """Yield a list page by page, over all namespaces when `namespace` is empty, of `limit` items or as many as usual.

        With `at` the list is as it was at that version exactly; Gone when the server has forgotten.

        `fields` is a field selector: `reason=FailedCreate,involvedObject.kind=Job`. What does not fit it is not sent.

        Raises:
            Invalid: this kind cannot be selected by one of these fields.
            NotFound: the resource is not served.
            Gone: the continue token expired midway; the caller starts the list again.
        """
        ...

    def read_ahead(self, resource: Resource) -> None:
        """Begin to read this kind, all of it: the next call of `pages` goes on from there.

        To be called when nothing else will be asked before: the server is at work while the caller is.
        """
        ...

    def changes(
        self, since: Mapping[Resource, str], *, limit_seconds: float
    ) -> Iterator[Change | WatchEnded]:
        """Yield what happened to these kinds since the version that stands beside each, until no more is at hand.

        All kinds are asked at once. The iterator ends when the server has nothing further to say for the moment, or
        after `limit_seconds`; either way the next call goes on from the last version of each kind. A kind that
        cannot be followed gets one WatchEnded, and the others go on. Changes of one kind come in their order.
        """
        ...

    def get(self, resource: Resource, name: str, *, namespace: str = "") -> Manifest:
        """Read one object. Raises NotFound."""
        ...

    def dry_run_pod(self, namespace: str, pod: Mapping[str, Any]) -> Answer:
        """Ask whether this pod would be admitted (server-side dry-run create); nothing is stored.

        Raises:
            RejectedByAdmission: a webhook or policy said no, with its name and text.
            EngineDown: a webhook that must answer did not.
        """
        ...

    def may(self, verb: str, resource: Resource) -> bool:
        """Ask whether this credential may do this in every namespace. It does nothing, and nothing is stored.

        The verb is RBAC's: get, list, create, update, delete.
        """
        ...

    def write(self, change: Write, *, dry_run: bool) -> Answer:
        """Carry out one change. Only `policies.cluster.writes.write` may call this.

        Raises:
            Conflict: the object is not (or no longer) what the change was made for, or exists already.
        """
        ...

    def traffic(self) -> Traffic:
        """Requests sent and bytes received (as on the wire) so far."""
        ...

    def close(self) -> None: ...
