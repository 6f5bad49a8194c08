"""The smallest change to a workload that makes its findings go away, as text that a user can apply."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import yaml

from policies.domain.objects import Container, Workload, WorkloadKind
from policies.domain.posture.declared import LIST_OF_ROLE
from policies.domain.posture.pods import API_VERSION, POD_PATH, pod_parts
from policies.domain.posture.records import Finding

_RUNTIME_DEFAULT = {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
_POD_NOTE = "# A running pod cannot be changed: create it anew with these fields.\n"


def patch_for(
    kind: WorkloadKind,
    namespace: str,
    name: str,
    workload: Workload,
    findings: Iterable[Finding],
) -> str:
    """Write a strategic-merge patch as YAML: RuntimeDefault on the pod where nothing is set, and in place of what is bad.

    Findings of containers that the workload does not hold are left out. Empty when there is nothing to change.

    Raises:
        UnreadablePodSpec: the workload holds no pod spec.
    """
    spec = _spec_patch(workload, tuple(findings))
    if not spec:
        return ""
    document: dict[str, Any] = {"spec": spec}
    for key in reversed(POD_PATH[kind]):
        document = {key: document}
    document = {
        "apiVersion": API_VERSION[kind],
        "kind": str(kind),
        "metadata": {"name": name, "namespace": namespace},
        **document,
    }
    text = yaml.safe_dump(document, sort_keys=False)
    return _POD_NOTE + text if kind is WorkloadKind.POD else text


def _spec_patch(workload: Workload, findings: tuple[Finding, ...]) -> dict[str, Any]:
    _, spec = pod_parts(workload)
    lists = {
        "initContainers": spec.init_containers or (),
        "containers": spec.containers,
        "ephemeralContainers": spec.ephemeral_containers or (),
    }
    found = {(LIST_OF_ROLE[f.role], f.container) for f in findings if f.role is not None}
    on_pod = any(f.role is None for f in findings)
    changed: dict[str, Any] = {}
    for field, containers in lists.items():
        at_fault = [c for c in containers if (field, c.name) in found]
        on_pod = on_pod or not all(_has_own(c) for c in at_fault)
        own = [{"name": c.name, **deepcopy(_RUNTIME_DEFAULT)} for c in at_fault if _has_own(c)]
        if own:
            changed[field] = own
    return deepcopy(_RUNTIME_DEFAULT) | changed if on_pod else changed


def _has_own(container: Container) -> bool:
    context = container.security_context
    return context is not None and context.seccomp_profile is not None
