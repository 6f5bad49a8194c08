"""Where each kind keeps its pod: the typed spec with its path, and the manifest of the pod it would create."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from policies.domain.objects import (
    Controller,
    CronJob,
    ObjectMeta,
    Pod,
    PodSpec,
    PodTemplate,
    PodTemplateSpec,
    Workload,
    WorkloadKind,
)
from policies.domain.posture.records import UnreadablePodSpec

Manifest = dict[str, Any]

_CONTROLLER_PATH = ("spec", "template")
POD_PATH: dict[WorkloadKind, tuple[str, ...]] = dict.fromkeys(WorkloadKind, _CONTROLLER_PATH) | {
    WorkloadKind.POD: (),
    WorkloadKind.POD_TEMPLATE: ("template",),
    WorkloadKind.CRON_JOB: ("spec", "jobTemplate", "spec", "template"),
}
"""The keys that lead to what holds a pod's `metadata` and `spec`."""

API_VERSION: dict[WorkloadKind, str] = {
    WorkloadKind.POD: "v1",
    WorkloadKind.POD_TEMPLATE: "v1",
    WorkloadKind.REPLICATION_CONTROLLER: "v1",
    WorkloadKind.REPLICA_SET: "apps/v1",
    WorkloadKind.DEPLOYMENT: "apps/v1",
    WorkloadKind.STATEFUL_SET: "apps/v1",
    WorkloadKind.DAEMON_SET: "apps/v1",
    WorkloadKind.JOB: "batch/v1",
    WorkloadKind.CRON_JOB: "batch/v1",
}

_NO_METADATA = ObjectMeta()
_API_ACCESS_VOLUME = "kube-api-access-"
_MIRROR_ANNOTATIONS = ("kubernetes.io/config.mirror", "kubernetes.io/config.hash")
# The server computes `priority` from the class and refuses any other number.
_SET_BY_SERVER = ("nodeName", "priority", "ephemeralContainers")


@cache
def spec_path(kind: WorkloadKind) -> str:
    """Say where the pod spec stands in an object of this kind, for instance `spec.template.spec`."""
    return ".".join((*POD_PATH[kind], "spec"))


@cache
def annotations_path(kind: WorkloadKind) -> str:
    """Say where the annotations that reach the pod stand, for instance `spec.template.metadata.annotations`."""
    return ".".join((*POD_PATH[kind], "metadata", "annotations"))


def pod_parts(workload: Workload) -> tuple[ObjectMeta, PodSpec]:
    """Give the metadata and the spec that a workload's pods get.

    Raises:
        UnreadablePodSpec: there is no template, or it holds no containers.
    """
    if isinstance(workload, Pod):
        metadata, spec = workload.metadata, workload.spec
    else:
        template = _template(workload)
        if template is None:
            raise UnreadablePodSpec("The object has no pod template.")
        metadata, spec = template.metadata or _NO_METADATA, template.spec
    if not spec.containers:
        raise UnreadablePodSpec("The pod spec has no containers.")
    return metadata, spec


def _template(workload: PodTemplate | Controller | CronJob) -> PodTemplateSpec | None:
    if isinstance(workload, PodTemplate):
        return workload.template
    if isinstance(workload, CronJob):
        return workload.spec.job_template.spec.template
    return workload.spec.template


def pod_of(kind: WorkloadKind, manifest: Mapping[str, Any], *, name: str) -> Manifest:
    """Build the pod that a workload would create, as a manifest fit for a dry-run create.

    `manifest` is the workload as the API serves it. What only a running pod has is left out: its node, its
    status, the volume of its service account's token, its ephemeral containers.

    Raises:
        UnreadablePodSpec: there is no template, or it holds no containers.
    """
    holder: Any = manifest
    for key in POD_PATH[kind]:
        holder = holder.get(key) if isinstance(holder, Mapping) else None
    spec = holder.get("spec") if isinstance(holder, Mapping) else None
    if not isinstance(spec, Mapping) or not spec.get("containers"):
        raise UnreadablePodSpec("The object has no pod template with containers.")
    metadata: Manifest = {"name": name}
    for key in ("labels", "annotations"):
        own = (holder.get("metadata") or {}).get(key) or {}
        kept = {k: v for k, v in own.items() if k not in _MIRROR_ANNOTATIONS}
        if kept:
            metadata[key] = kept
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _fresh(spec)}


def _fresh(spec: Mapping[str, Any]) -> Manifest:
    """Copy a pod spec without what the server or the kubelet added to a running pod."""
    kept = {key: value for key, value in spec.items() if key not in _SET_BY_SERVER}
    for key in ("volumes", "containers", "initContainers"):
        if kept.get(key):
            kept[key] = [_without_token(item) for item in kept[key] if not _is_token(item)]
    return kept


def _is_token(item: Mapping[str, Any]) -> bool:
    return "projected" in item and str(item.get("name", "")).startswith(_API_ACCESS_VOLUME)


def _without_token(item: Mapping[str, Any]) -> Manifest:
    mounts = item.get("volumeMounts")
    if not mounts:
        return dict(item)
    kept = [m for m in mounts if not str(m.get("name", "")).startswith(_API_ACCESS_VOLUME)]
    return {**item, "volumeMounts": kept}
