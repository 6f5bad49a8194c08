"""Posture in words: each container's profiles with their grade, and where each comes from."""

from dataclasses import dataclass
from urllib.parse import urlencode

from policies.domain.compliance import Reference
from policies.domain.objects import WorkloadKind
from policies.queries.posture import ContainerLine, PosturePage, Profile, WorkloadPosture
from policies.web.presenters.controls import (
    ShownControl,
    shown_controls,
    weakness_evidence,
)

_SOURCES = {
    "container": "on the container",
    "pod": "on the pod",
    "annotation": "by annotation",
    "kubelet default": "by the node's default",
    "nothing": "nothing set",
    "privileged": "privileged drops it",
}


@dataclass(frozen=True, slots=True)
class ShownProfile:
    """One profile of one container."""

    mark: str
    declared: str
    effective: str
    """Empty where it is what is declared."""
    source: str


@dataclass(frozen=True, slots=True)
class ShownContainer:
    """One container."""

    name: str
    role: str
    is_privileged: bool
    profiles: tuple[tuple[str, ShownProfile | None], ...]
    """Seccomp, then AppArmor, each with its title; None where an older collection does not say."""


@dataclass(frozen=True, slots=True)
class ShownWeakness:
    """One weakness, with where frameworks ask for its mending."""

    message: str
    path: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class ShownWorkload:
    """One workload."""

    kind: str
    name: str
    namespace: str
    team: str
    owner: str
    is_applicable: bool
    containers: tuple[ShownContainer, ...]
    controls: tuple[ShownControl, ...]
    reviews: tuple[tuple[int, str], ...]
    """Id and name of the variants that ask one of these controls."""
    ask: str
    """The query with which an exception is asked for; empty for what is not on top."""
    weaknesses: tuple[ShownWeakness, ...]


def shown_workloads(page: PosturePage, kubernetes: str) -> tuple[ShownWorkload, ...]:
    """Word the workloads of a page; the cluster's version of Kubernetes chooses the benchmark."""
    return tuple(_workload(workload, page, kubernetes) for workload in page.workloads)


def _workload(workload: WorkloadPosture, page: PosturePage, kubernetes: str) -> ShownWorkload:
    failed = set(workload.controls)
    return ShownWorkload(
        workload.kind,
        workload.name,
        workload.namespace,
        workload.team,
        workload.owner,
        workload.is_applicable,
        tuple(_container(c) for c in workload.containers),
        shown_controls(workload.controls, kubernetes),
        tuple((pk, name) for pk, name, controls in page.variants if failed & set(controls)),
        _ask(workload),
        tuple(
            ShownWeakness(line.message, line.path, weakness_evidence(line.weakness, kubernetes))
            for line in workload.weaknesses
        ),
    )


def _ask(workload: WorkloadPosture) -> str:
    if workload.owner or workload.kind not in set(WorkloadKind):
        return ""
    return urlencode({"workload": f"{workload.kind}/{workload.name}"})


def _container(line: ContainerLine) -> ShownContainer:
    return ShownContainer(
        line.name,
        "" if line.role == "container" else line.role,
        line.is_privileged,
        (("Seccomp", _profile(line.seccomp)), ("AppArmor", _profile(line.apparmor))),
    )


def _profile(profile: Profile | None) -> ShownProfile | None:
    if profile is None:
        return None
    declared = profile.declared
    if profile.profile:
        declared = f"{declared}:{profile.profile}"
    return ShownProfile(
        profile.grade,
        declared,
        "" if profile.effective == declared else profile.effective,
        _SOURCES.get(profile.source, profile.source),
    )
