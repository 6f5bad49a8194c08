"""Judge one workload: its containers with what confines them, findings of the controls, and what else weakens it."""

from collections.abc import Iterator

from policies.domain.controls import Control, Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import ObjectMeta, PodSpec, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture.controls import judge_pod
from policies.domain.posture.declared import DeclaredPod, containers_of, read_pod
from policies.domain.posture.effective import NOT_APPLICABLE, apparmor_posture, seccomp_posture
from policies.domain.posture.hardening import dead_annotations, useless_annotations, weaknesses
from policies.domain.posture.pods import pod_parts, spec_path
from policies.domain.posture.records import ContainerPosture, Judgement, Posture, Result

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
    if _is_windows(spec):
        return Posture(False, _windows(kind, spec), (), _none(parameters), (), dead)
    pod = read_pod(kind, metadata, spec, facts=facts, apparmor_annotations=annotations)
    containers = tuple(_containers(pod, metadata, parameters, facts))
    hardening = (
        *weaknesses(pod, spec, facts),
        *useless_annotations(kind, pod, metadata, workload.metadata, dead),
    )
    if _is_excluded(workload, metadata, parameters):
        return Posture(False, containers, (), _none(parameters), hardening, dead)
    findings, results = judge_pod(pod, parameters, mechanisms)
    return Posture(True, containers, findings, results, hardening, dead)


def judge(
    kind: WorkloadKind,
    workload: Workload,
    *,
    parameters: Parameters,
    facts: ClusterFacts = TYPICAL,
    mechanisms: tuple[Mechanism, ...] = _ALL,
) -> Judgement:
    """Give what `assess` says of the controls, without what takes effect and what else is weak: half the time.

    Raises:
        UnreadablePodSpec: there is nothing to judge, or the API server would not have it.
    """
    metadata, spec = pod_parts(workload)
    if _is_windows(spec):
        return Judgement(False, (), _none(parameters))
    annotations = parameters.apparmor_annotations
    pod = read_pod(kind, metadata, spec, facts=facts, apparmor_annotations=annotations)
    if _is_excluded(workload, metadata, parameters):
        return Judgement(False, (), _none(parameters))
    return Judgement(True, *judge_pod(pod, parameters, mechanisms))


def _is_windows(spec: PodSpec) -> bool:
    return spec.os is not None and spec.os.name == WINDOWS


def _none(parameters: Parameters) -> tuple[tuple[Control, Result], ...]:
    return tuple((control, Result.NOT_APPLICABLE) for control in parameters.controls)


def _is_excluded(workload: Workload, metadata: ObjectMeta, parameters: Parameters) -> bool:
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
