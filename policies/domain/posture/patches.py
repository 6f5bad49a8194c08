"""The smallest change to a workload that makes its findings go away, as text that a user can apply."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import yaml

from policies.domain.controls import Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import (
    AppArmorProfile,
    Container,
    PodSpec,
    SeccompProfile,
    SecurityContext,
    Workload,
    WorkloadKind,
)
from policies.domain.parameters import Parameters
from policies.domain.posture.declared import APPARMOR_PREFIX, FIELDS, LIST_OF_ROLE
from policies.domain.posture.pods import API_VERSION, POD_PATH, pod_parts
from policies.domain.posture.proposals import annotation_key, annotation_of, proposed_profile
from policies.domain.posture.records import Finding

Changes = dict[str, Any]

_USUAL = Parameters()
_POD_NOTE = "# A running pod cannot be changed: create it anew with these fields.\n"


def patch_for(
    kind: WorkloadKind,
    namespace: str,
    name: str,
    workload: Workload,
    findings: Iterable[Finding],
    *,
    parameters: Parameters = _USUAL,
    facts: ClusterFacts = TYPICAL,
) -> str:
    """Write a strategic-merge patch as YAML: the proposed profile on the pod where nothing is set, and in place of what is bad.

    Annotations at fault are removed; where the cluster has no AppArmor fields they are set instead. Findings of
    containers that the workload does not hold are left out. Empty when there is nothing to change.

    Raises:
        UnreadablePodSpec: the workload holds no pod spec.
    """
    _, spec = pod_parts(workload)
    changes: Changes = {}
    found = tuple(findings)
    for mechanism in Mechanism:
        of_mechanism = tuple(f for f in found if f.mechanism is mechanism)
        profile = proposed_profile(mechanism, parameters)
        if mechanism is Mechanism.APPARMOR and not facts.has_apparmor_fields:
            change = _annotated(spec, of_mechanism, profile)
        else:
            change = _fields(spec, of_mechanism, profile, mechanism)
        changes = _merged(changes, change)
    return _document(kind, namespace, name, changes) if changes else ""


def _document(kind: WorkloadKind, namespace: str, name: str, changes: Changes) -> str:
    for key in reversed(POD_PATH[kind]):
        changes = {key: changes}
    head = {
        "apiVersion": API_VERSION[kind],
        "kind": str(kind),
        "metadata": {"name": name, "namespace": namespace},
    }
    text = yaml.safe_dump(_merged(head, changes), sort_keys=False, width=1000)
    return _POD_NOTE + text if kind is WorkloadKind.POD else text


def _annotated(spec: PodSpec, findings: tuple[Finding, ...], profile: Changes) -> Changes:
    """Write the profile as an annotation of each container at fault."""
    names = [c.name for c in (*(spec.init_containers or ()), *spec.containers)]
    at_fault = {f.container for f in findings}
    text = annotation_of(profile)
    annotations = {APPARMOR_PREFIX + name: text for name in names if name in at_fault}
    return {"metadata": {"annotations": annotations}} if annotations else {}


def _fields(
    spec: PodSpec, findings: tuple[Finding, ...], profile: Changes, mechanism: Mechanism
) -> Changes:
    """Write the profile into the fields at fault, or on the pod where there are none."""
    at_fault = {(LIST_OF_ROLE[f.role], f.container): f for f in findings if f.role is not None}
    on_pod = _profile(spec.security_context, mechanism)
    needs_pod = any(f.role is None for f in findings)
    changed: Changes = {}
    dropped = {key: None for f in findings if f.role is None and (key := annotation_key(f))}
    for field, containers in _lists(spec):
        own = []
        for container in containers:
            finding = at_fault.get((field, container.name))
            if finding is None:
                continue
            if key := annotation_key(finding):
                dropped[key] = None
            standing = _profile(container.security_context, mechanism)
            if standing is not None:
                own.append({"name": container.name, **_context(standing, profile, mechanism)})
            elif on_pod is None or not key:
                needs_pod = True
        if own:
            changed[field] = own
    if needs_pod:
        changed = _context(on_pod, profile, mechanism) | changed
    change: Changes = {"metadata": {"annotations": dropped}} if dropped else {}
    return change | ({"spec": changed} if changed else {})


def _lists(spec: PodSpec) -> Iterator[tuple[str, tuple[Container, ...]]]:
    yield "initContainers", spec.init_containers or ()
    yield "containers", spec.containers
    yield "ephemeralContainers", spec.ephemeral_containers or ()


def _profile(
    context: SecurityContext | None, mechanism: Mechanism
) -> SeccompProfile | AppArmorProfile | None:
    if context is None:
        return None
    is_seccomp = mechanism is Mechanism.SECCOMP
    return context.seccomp_profile if is_seccomp else context.app_armor_profile


def _context(
    standing: SeccompProfile | AppArmorProfile | None, profile: Changes, mechanism: Mechanism
) -> Changes:
    """Write a security context that puts the profile in place of the one that stands there."""
    dropped = {"localhostProfile": None} if standing and standing.localhost_profile else {}
    _, field = FIELDS[mechanism].split(".")
    return {"securityContext": {field: dropped | deepcopy(profile)}}


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> Changes:
    """Merge changes: maps by key, lists of containers by name."""
    result = dict(base)
    for key, value in more.items():
        standing = result.get(key)
        if isinstance(standing, dict) and isinstance(value, dict):
            result[key] = _merged(standing, value)
        elif isinstance(standing, list):
            result[key] = _by_name(standing, value)
        else:
            result[key] = value
    return result


def _by_name(base: list[Changes], more: list[Changes]) -> list[Changes]:
    named = {item["name"]: item for item in base}
    for item in more:
        named[item["name"]] = _merged(named.get(item["name"], {}), item)
    return list(named.values())
