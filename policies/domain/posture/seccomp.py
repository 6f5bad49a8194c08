"""The seccomp profile that each container of a pod gets, and the findings of controls C1 and C2.

The same rule stands as CEL in `policies.domain.library.seccomp`; tests hold both together on the same cases.
"""

from collections.abc import Collection, Iterator

from policies.domain.controls import SECCOMP_CONTROLS, Control, Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import Container, PodSpec, SeccompProfile, Workload, WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture.pods import pod_parts, spec_path
from policies.domain.posture.records import (
    ContainerPosture,
    Effective,
    Finding,
    Grade,
    Posture,
    ProfilePosture,
    Role,
    Source,
    UnreadablePodSpec,
)

GOOD_TYPES = frozenset({"RuntimeDefault", "Localhost"})
LIST_OF_ROLE = {
    Role.CONTAINER: "containers",
    Role.INIT: "initContainers",
    Role.SIDECAR: "initContainers",
    Role.EPHEMERAL: "ephemeralContainers",
}
_FIELD = ".securityContext.seccompProfile.type"
_DEAD_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
_DEAD_CONTAINER_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
_TRACE_PROFILE = "log-enricher-trace"
# Of the runtimes' lists: each of these lets more system calls through than the default set does.
_WIDENING = frozenset(
    {
        "ALL", "BPF", "DAC_READ_SEARCH", "PERFMON", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE",
        "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG",
    }
)  # fmt: skip


def assess(
    kind: WorkloadKind,
    workload: Workload,
    *,
    parameters: Parameters,
    facts: ClusterFacts = TYPICAL,
) -> Posture:
    """Judge the pod that a workload holds or would create by the controls of these parameters.

    The facts change what takes effect; of them only the Kubernetes version can change a finding.

    Raises:
        UnreadablePodSpec: there is nothing to judge, or the API server would not have it.
    """
    metadata, spec = pod_parts(workload)
    path = spec_path(kind)
    dead = _dead_annotations(metadata.annotations)
    pod_profile = spec.security_context.seccomp_profile if spec.security_context else None
    _check_path(pod_profile)
    if spec.os is not None and spec.os.name == "windows":
        rows = tuple(_windows(c, role, at) for c, role, at in _containers(spec, path))
        return Posture(applicable=False, containers=rows, findings=(), dead_annotations=dead)
    unset = Effective.KUBELET_DEFAULT if facts.seccomp_default else Effective.UNSET
    rows = tuple(
        _posture(c, role, at, pod_profile, unset) for c, role, at in _containers(spec, path)
    )
    findings = tuple(_findings(rows, pod_profile, path, parameters.controls))
    return Posture(applicable=True, containers=rows, findings=findings, dead_annotations=dead)


def _containers(spec: PodSpec, path: str) -> Iterator[tuple[Container, Role, str]]:
    for index, container in enumerate(spec.init_containers or ()):
        role = Role.SIDECAR if container.restart_policy == "Always" else Role.INIT
        yield container, role, f"{path}.initContainers[{index}]"
    for index, container in enumerate(spec.containers):
        yield container, Role.CONTAINER, f"{path}.containers[{index}]"
    for index, container in enumerate(spec.ephemeral_containers or ()):
        yield container, Role.EPHEMERAL, f"{path}.ephemeralContainers[{index}]"


def _posture(
    container: Container,
    role: Role,
    path: str,
    pod_profile: SeccompProfile | None,
    unset: Effective,
) -> ContainerPosture:
    context = container.security_context
    own = context.seccomp_profile if context is not None else None
    _check_path(own)
    profile = own if own is not None else pod_profile
    privileged = context is not None and context.privileged is True
    seccomp = ProfilePosture(
        declared=profile.type if profile is not None else "",
        profile=profile.localhost_profile if profile is not None else None,
        source=_source(own, pod_profile),
        effective=Effective.PRIVILEGED if privileged else _effective(profile, container, unset),
        grade=Grade.UNKNOWN,
    )
    return ContainerPosture(container.name, role, path, privileged, seccomp, _NOT_JUDGED)


def _source(own: SeccompProfile | None, pod_profile: SeccompProfile | None) -> Source:
    if own is not None:
        return Source.CONTAINER
    return Source.POD if pod_profile is not None else Source.NOTHING


def _effective(profile: SeccompProfile | None, container: Container, unset: Effective) -> str:
    if profile is None:
        return unset
    if profile.type == "RuntimeDefault":
        return Effective.WIDER_DEFAULT if _widens(container) else Effective.RUNTIME_DEFAULT
    if profile.type == "Localhost":
        return _localhost(profile.localhost_profile)
    return Effective.UNCONFINED if profile.type == "Unconfined" else Effective.UNKNOWN


def _localhost(profile: str | None) -> str:
    if not profile:
        return Effective.DOES_NOT_START
    if _TRACE_PROFILE in profile:
        return Effective.AUDIT_ONLY
    return f"Localhost:{profile}"


def _widens(container: Container) -> bool:
    context = container.security_context
    if context is None or context.capabilities is None:
        return False
    return any(
        name.upper().removeprefix("CAP_") in _WIDENING for name in context.capabilities.add or ()
    )


_NOT_JUDGED = ProfilePosture("", None, Source.NOTHING, Effective.UNKNOWN, Grade.UNKNOWN)


def _check_path(profile: SeccompProfile | None) -> None:
    """Refuse what the API server refuses, so that a manifest from elsewhere is not called good."""
    path = profile.localhost_profile if profile is not None else None
    if path and (path.startswith("/") or ".." in path.split("/")):
        raise UnreadablePodSpec(
            f"The seccomp profile path {path!r} must be relative and stay below its folder."
        )


def _windows(container: Container, role: Role, path: str) -> ContainerPosture:
    nothing = ProfilePosture(
        "", None, Source.NOTHING, Effective.NOT_APPLICABLE, Grade.NOT_APPLICABLE
    )
    return ContainerPosture(container.name, role, path, False, nothing, nothing)


def _findings(
    rows: tuple[ContainerPosture, ...],
    pod_profile: SeccompProfile | None,
    path: str,
    controls: Collection[Control],
) -> Iterator[Finding]:
    asked = [control for control in SECCOMP_CONTROLS if control in controls]
    if not asked:
        return
    if pod_profile is not None and pod_profile.type not in GOOD_TYPES:
        for control in asked:
            yield _finding(control, None, path + _FIELD, pod_profile.type)
    for row in rows:
        if row.seccomp.source is Source.CONTAINER and row.seccomp.declared not in GOOD_TYPES:
            for control in asked:
                yield _finding(control, row, row.path + _FIELD, row.seccomp.declared)
        elif row.seccomp.source is Source.NOTHING and Control.REQUIRE_SECCOMP in asked:
            yield _finding(Control.REQUIRE_SECCOMP, row, row.path + _FIELD, "")


def _finding(control: Control, row: ContainerPosture | None, path: str, declared: str) -> Finding:
    unset = row is not None and row.seccomp.source is Source.NOTHING
    where = f"{row.role} {row.name}" if row is not None else "the pod"
    return Finding(
        control=control,
        mechanism=Mechanism.SECCOMP,
        container=row.name if row is not None else "",
        role=row.role if row is not None else None,
        path=path,
        declared=declared,
        message=_unset_message(where) if unset else _bad_message(where, declared),
    )


def _unset_message(where: str) -> str:
    return f"No seccomp profile for {where}: set RuntimeDefault or Localhost on it or on the pod."


def _bad_message(where: str, declared: str) -> str:
    shown = declared or "without a type"
    return f"The seccomp profile of {where} is {shown}: set RuntimeDefault or Localhost."


def _dead_annotations(annotations: dict[str, str] | None) -> tuple[str, ...]:
    if not annotations:
        return ()
    return tuple(
        sorted(
            key
            for key in annotations
            if key == _DEAD_POD_ANNOTATION or key.startswith(_DEAD_CONTAINER_PREFIX)
        )
    )
