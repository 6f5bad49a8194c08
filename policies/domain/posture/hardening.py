"""What else weakens a pod, as reviewers ask: privileges, root, capabilities, the host, annotations that nobody reads.

Findings for reading, never gates: no policy of the library is about them.
"""

from collections.abc import Iterator, Mapping

from policies.domain.facts import ClusterFacts
from policies.domain.objects import ObjectMeta, PodSpec, SecurityContext, WorkloadKind
from policies.domain.parameters import RUNTIME_DEFAULT
from policies.domain.posture.declared import (
    APPARMOR_PREFIX,
    SECCOMP_POD_ANNOTATION,
    SECCOMP_PREFIX,
    DeclaredContainer,
    DeclaredPod,
)
from policies.domain.posture.effective import widening
from policies.domain.posture.messages import where
from policies.domain.posture.pods import annotations_path
from policies.domain.posture.records import Hardening, Role, Weakness

USER_NAMESPACES_RELAX_SINCE = (1, 35)
"""From here on the Pod Security Standards let root be root within a user namespace of its own."""
_HARMLESS = "NET_BIND_SERVICE"
_NO_CONTEXT = SecurityContext()


def weaknesses(pod: DeclaredPod, spec: PodSpec, facts: ClusterFacts) -> Iterator[Hardening]:
    """Name what weakens the pod and its containers, those of the pod first."""
    yield from _of_pod(spec, pod.path)
    on_pod = spec.security_context or _NO_CONTEXT
    relaxed = spec.host_users is False and facts.kubernetes >= USER_NAMESPACES_RELAX_SINCE
    for container in pod.containers:
        context = container.container.security_context or _NO_CONTEXT
        yield from _privileges(container, context)
        if not relaxed:
            yield from _root(container, context, on_pod, pod.path)
        yield from _capabilities(container, context, pod)
        if context.read_only_root_filesystem is not True:
            text = f"The root file system of {where(container)} can be written: set readOnlyRootFilesystem: true."
            yield _of(container, Weakness.WRITABLE_ROOT, "readOnlyRootFilesystem", text)
        yield from _host_ports(container)


def _of_pod(spec: PodSpec, path: str) -> Iterator[Hardening]:
    for field, shared in (
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
    ):
        if shared:
            text = f"The pod shares its node's namespace: remove {field}."
            yield Hardening(Weakness.HOST_NAMESPACES, "", f"{path}.{field}", text)
    for index, volume in enumerate(spec.volumes or ()):
        if volume.host_path is not None:
            text = (
                f"The volume {volume.name} is the folder {volume.host_path.path} of the node:"
                " use a volume of the cluster."
            )
            yield Hardening(Weakness.HOST_PATHS, "", f"{path}.volumes[{index}].hostPath", text)


def _privileges(of: DeclaredContainer, context: SecurityContext) -> Iterator[Hardening]:
    if context.privileged:
        text = (
            f"The {where(of)} is privileged: it runs without seccomp, whatever it declares."
            " Give it the capabilities that it needs instead."
        )
        yield _of(of, Weakness.PRIVILEGED, "privileged", text)
    if context.allow_privilege_escalation is not False:
        text = f"The {where(of)} may gain privileges: set allowPrivilegeEscalation: false."
        yield _of(of, Weakness.PRIVILEGE_ESCALATION, "allowPrivilegeEscalation", text)


def _root(
    of: DeclaredContainer, context: SecurityContext, on_pod: SecurityContext, pod_path: str
) -> Iterator[Hardening]:
    user = context.run_as_user if context.run_as_user is not None else on_pod.run_as_user
    own = context.run_as_non_root
    if user == 0:
        place = of.path if context.run_as_user is not None else pod_path
        path = f"{place}.securityContext.runAsUser"
        text = f"The {where(of)} runs as user 0: set another runAsUser."
        yield Hardening(Weakness.RUNS_AS_ROOT, of.container.name, path, text)
    elif (own if own is not None else on_pod.run_as_non_root) is not True:
        text = f"The {where(of)} may run as root: set runAsNonRoot: true."
        yield _of(of, Weakness.RUNS_AS_ROOT, "runAsNonRoot", text)


def _capabilities(
    of: DeclaredContainer, context: SecurityContext, pod: DeclaredPod
) -> Iterator[Hardening]:
    own = context.capabilities
    if own is None or "ALL" not in (own.drop or ()):
        text = f"The {where(of)} keeps its runtime's capabilities: drop ALL."
        yield _of(of, Weakness.CAPABILITIES, "capabilities.drop", text)
    added = [name for name in (own.add if own else None) or () if name != _HARMLESS]
    if not added:
        return
    text = f"The {where(of)} adds the capabilities {', '.join(added)}: remove them."
    declared = of.seccomp or pod.seccomp
    wider = widening(of.container)
    if wider and declared is not None and declared.type == RUNTIME_DEFAULT:
        text += f" Its RuntimeDefault lets more system calls through for {', '.join(wider)}."
    yield _of(of, Weakness.CAPABILITIES, "capabilities.add", text)


def _host_ports(of: DeclaredContainer) -> Iterator[Hardening]:
    for index, port in enumerate(of.container.ports or ()):
        if port.host_port:
            text = f"The {where(of)} takes port {port.host_port} of its node: use a Service."
            path = f"{of.path}.ports[{index}].hostPort"
            yield Hardening(Weakness.HOST_PORTS, of.container.name, path, text)


def _of(of: DeclaredContainer, weakness: Weakness, field: str, text: str) -> Hardening:
    return Hardening(weakness, of.container.name, f"{of.path}.securityContext.{field}", text)


def dead_annotations(
    metadata: ObjectMeta, *, facts: ClusterFacts, apparmor_annotations: bool
) -> tuple[str, ...]:
    """Give the keys of annotations for profiles that this cluster does not read, sorted."""
    if not metadata.annotations:
        return ()
    dead = [] if facts.reads_seccomp_annotations else [SECCOMP_POD_ANNOTATION, SECCOMP_PREFIX]
    if not apparmor_annotations:
        dead.append(APPARMOR_PREFIX)
    return tuple(sorted(k for k in metadata.annotations if k.startswith(tuple(dead))))


def useless_annotations(
    kind: WorkloadKind,
    pod: DeclaredPod,
    metadata: ObjectMeta,
    own: ObjectMeta,
    dead: tuple[str, ...],
) -> Iterator[Hardening]:
    """Name the annotations for profiles that protect nothing, and why. `own` is the metadata of the object itself."""
    path = annotations_path(kind)
    for key in dead:
        text = "No kubelet of this cluster reads this annotation: set the field in securityContext."
        yield Hardening(Weakness.DEAD_ANNOTATION, "", f"{path}[{key}]", text)
    if metadata.annotations:
        yield from _of_no_container(path, pod, metadata.annotations, dead)
    if kind is WorkloadKind.POD or not own.annotations:
        return
    for key in sorted(own.annotations):
        if key.startswith((SECCOMP_POD_ANNOTATION, SECCOMP_PREFIX, APPARMOR_PREFIX)):
            text = f"An annotation of the {kind} itself never reaches its pods: set the field in the pod template."
            yield Hardening(Weakness.DEAD_ANNOTATION, "", f"metadata.annotations[{key}]", text)


def _of_no_container(
    path: str, pod: DeclaredPod, annotations: Mapping[str, str], dead: tuple[str, ...]
) -> Iterator[Hardening]:
    names = {c.container.name for c in pod.containers if c.role is not Role.EPHEMERAL}
    for key in sorted(annotations):
        if key not in dead and key.startswith(APPARMOR_PREFIX):
            name = key.removeprefix(APPARMOR_PREFIX)
            if name not in names:
                text = f"There is no container {name!r}: the API server refuses this annotation."
                yield Hardening(Weakness.DEAD_ANNOTATION, "", f"{path}[{key}]", text)
