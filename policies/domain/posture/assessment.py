"""Judge one workload: its containers with what confines them, findings of the controls, and what else weakens it."""

from collections.abc import Iterator

from policies.domain.controls import Control, Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import ObjectMeta, PodSpec, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture.controls import judge
from policies.domain.posture.declared import DeclaredPod, containers_of, read_pod
from policies.domain.posture.effective import NOT_APPLICABLE, apparmor_posture, seccomp_posture
from policies.domain.posture.hardening import dead_annotations, useless_annotations, weaknesses
from policies.domain.posture.pods import pod_parts, spec_path
from policies.domain.posture.records import ContainerPosture, Posture, Result

WINDOWS = "windows"
_ALL = tuple(Mechanism)


def assess(
    kind: WorkloadKind,
    workload: Workload,
    *,
    parameters: Parameters,
    facts: ClusterFacts = TYPICAL,
    mechanisms: tuple[Mechanism, ...] = _ALL,
) -> Posture:
    """Judge the pod that a workload holds or would create by the controls of these parameters.

    `mechanisms` are those of the template that asks: `profile-installed` and `allowed-profiles` look at these alone.
    The facts change what takes effect; of them only the Kubernetes version can change a finding.

    Raises:
        UnreadablePodSpec: there is nothing to judge, or the API server would not have it.
    """
    metadata, spec = pod_parts(workload)
    annotations = parameters.apparmor_annotations
    dead = dead_annotations(metadata, facts=facts, apparmor_annotations=annotations)
    if spec.os is not None and spec.os.name == WINDOWS:
        return Posture(False, _windows(kind, spec), (), _none(parameters), (), dead)
    pod = read_pod(kind, metadata, spec, facts=facts, apparmor_annotations=annotations)
    containers = tuple(_containers(pod, metadata, parameters, facts))
    hardening = (
        *weaknesses(pod, spec, facts),
        *useless_annotations(kind, pod, metadata, workload.metadata, dead),
    )
    if is_excluded(workload, metadata, parameters):
        return Posture(False, containers, (), _none(parameters), hardening, dead)
    findings, results = judge(pod, parameters, mechanisms)
    return Posture(True, containers, findings, results, hardening, dead)


def _none(parameters: Parameters) -> tuple[tuple[Control, Result], ...]:
    return tuple((control, Result.NOT_APPLICABLE) for control in parameters.controls)


def is_excluded(workload: Workload, metadata: ObjectMeta, parameters: Parameters) -> bool:
    """Say whether these parameters leave a workload alone; `metadata` is that of its pods."""
    if workload.metadata.namespace in parameters.excluded_namespaces:
        return True
    return bool(parameters.excluded_labels) and parameters.excludes(metadata.labels)


def _containers(
    pod: DeclaredPod, metadata: ObjectMeta, parameters: Parameters, facts: ClusterFacts
) -> Iterator[ContainerPosture]:
    seccomp_files, apparmor_names = parameters.seccomp.installed, parameters.apparmor.installed
    for of in pod.containers:
        seccomp, apparmor = of.seccomp or pod.seccomp, of.apparmor or pod.apparmor
        yield ContainerPosture(
            of.container.name,
            of.role,
            of.path,
            of.is_privileged,
            seccomp_posture(of, seccomp, metadata, facts, seccomp_files),
            apparmor_posture(of, apparmor, facts, apparmor_names),
        )


def _windows(kind: WorkloadKind, spec: PodSpec) -> tuple[ContainerPosture, ...]:
    path = spec_path(kind)
    return tuple(
        ContainerPosture(c.name, role, at, False, NOT_APPLICABLE, NOT_APPLICABLE)
        for c, role, at in containers_of(spec, path)
    )
