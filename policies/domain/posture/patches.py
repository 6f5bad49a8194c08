"""The smallest change to a workload that makes its findings go away, as text that a user can apply."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from policies.domain.controls import Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture.declared import (
    APPARMOR_PREFIX,
    FIELDS,
    LIST_OF_ROLE,
    Declared,
    DeclaredContainer,
    DeclaredPod,
    read_pod,
)
from policies.domain.posture.pods import API_VERSION, POD_PATH, pod_parts
from policies.domain.posture.proposals import annotation_key, annotation_of, proposed_profile
from policies.domain.posture.records import Finding, Role, Source

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
        UnreadablePodSpec: the workload holds no pod spec, or the API server would not have it.
    """
    metadata, spec = pod_parts(workload)
    annotations = parameters.apparmor_annotations
    pod = read_pod(kind, metadata, spec, facts=facts, apparmor_annotations=annotations)
    found = tuple(findings)
    changes: Changes = {}
    for mechanism in Mechanism:
        of_mechanism = tuple(f for f in found if f.mechanism is mechanism)
        profile = proposed_profile(mechanism, parameters)
        if mechanism is Mechanism.APPARMOR and not facts.has_apparmor_fields:
            change = _annotated(pod, of_mechanism, profile)
        else:
            change = _PatchOfFields(pod, mechanism, profile).changes(of_mechanism)
        changes = _merged(changes, change)
    return _document(kind, namespace, name, changes) if changes else ""


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's where there is one: the same text, several times as fast."""
NO_NAME = "the-name-of-the-workload"
NO_NAMESPACE = "the-namespace-of-the-workload"
"""What stands in a patch that is made once for workloads that are alike but for their names."""
_PLAIN = re.compile(r"[a-z][-a-z0-9.]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def named_patch(patch: str, namespace: str, name: str) -> str:
    """Put the name of one workload into a patch that was made without."""
    named = patch.replace(f"name: {NO_NAME}\n", f"name: {_scalar(name)}\n", 1)
    return named.replace(f"namespace: {NO_NAMESPACE}\n", f"namespace: {_scalar(namespace)}\n", 1)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and text not in _WORDS:
        return text
    return yaml.safe_dump(text, width=1000).removesuffix("\n").removesuffix("\n...")


def _document(kind: WorkloadKind, namespace: str, name: str, changes: Changes) -> str:
    for key in reversed(POD_PATH[kind]):
        changes = {key: changes}
    head = {
        "apiVersion": API_VERSION[kind],
        "kind": str(kind),
        "metadata": {"name": name, "namespace": namespace},
    }
    text = yaml.dump(_merged(head, changes), Dumper=_DUMPER, sort_keys=False, width=1000)
    return _POD_NOTE + text if kind is WorkloadKind.POD else text


def _annotated(pod: DeclaredPod, findings: tuple[Finding, ...], profile: Changes) -> Changes:
    """Write the profile as an annotation of each container at fault."""
    at_fault = {f.container for f in findings}
    text = annotation_of(profile)
    annotations = {
        APPARMOR_PREFIX + c.container.name: text
        for c in pod.containers
        if c.role is not Role.EPHEMERAL and c.container.name in at_fault
    }
    return {"metadata": {"annotations": annotations}} if annotations else {}


class _PatchOfFields:
    """Builds the change of one mechanism's fields, and of the annotations that stand in their way."""

    def __init__(self, pod: DeclaredPod, mechanism: Mechanism, profile: Changes) -> None:
        self._pod = pod
        self._mechanism = mechanism
        self._profile = profile
        self._on_pod = pod.of(mechanism)
        self._needs_pod = False
        self._dropped: dict[str, None] = {}
        self._lists: dict[str, list[Changes]] = {}

    def changes(self, findings: tuple[Finding, ...]) -> Changes:
        for finding in findings:
            if finding.role is None:
                self._needs_pod = True
                self._drop(annotation_key(finding))
        for container in self._pod.containers:
            place = (LIST_OF_ROLE[container.role], container.container.name)
            for finding in findings:
                if finding.role and (LIST_OF_ROLE[finding.role], finding.container) == place:
                    self._mend(container, annotation_key(finding))
        spec: Changes = {}
        if self._needs_pod:
            self._move_annotations()
            spec = self._context(self._on_pod, self._profile)
        spec |= self._lists
        change: Changes = {"metadata": {"annotations": self._dropped}} if self._dropped else {}
        return change | ({"spec": spec} if spec else {})

    def _mend(self, container: DeclaredContainer, annotation: str) -> None:
        own = container.own(self._mechanism)
        if annotation:
            self._drop(annotation)
            if own is not None and own.source is Source.ANNOTATION:
                self._set(container, own, self._profile)
        elif own is None:
            self._needs_pod = True
        else:
            self._set(container, own, self._profile)

    def _move_annotations(self) -> None:
        """Turn the annotations that stay into fields: beside another field on the pod, the API server refuses them."""
        for container in self._pod.containers:
            own = container.own(self._mechanism)
            if own is None or own.source is not Source.ANNOTATION:
                continue
            key = own.path[own.path.index("[") + 1 : -1]
            if key not in self._dropped:
                self._drop(key)
                reference = {"localhostProfile": own.reference} if own.reference else {}
                self._set(container, own, {"type": own.type} | reference)

    def _drop(self, annotation: str) -> None:
        if annotation:
            self._dropped[annotation] = None

    def _set(self, container: DeclaredContainer, standing: Declared, profile: Changes) -> None:
        entries = self._lists.setdefault(LIST_OF_ROLE[container.role], [])
        entry = {"name": container.container.name, **self._context(standing, profile)}
        if entry not in entries:
            entries.append(entry)

    def _context(self, standing: Declared | None, profile: Changes) -> Changes:
        """Write a security context that puts the profile in place of the one that stands there."""
        gone = {}
        if standing is not None and standing.source is not Source.ANNOTATION:
            gone = {"localhostProfile": None} if standing.reference is not None else {}
        _, field = FIELDS[self._mechanism].split(".")
        return {"securityContext": {field: gone | profile}}


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
