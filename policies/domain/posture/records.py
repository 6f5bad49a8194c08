"""What posture says about a pod: the profiles that each container gets, where they come from, and findings."""

from dataclasses import dataclass
from enum import StrEnum

from policies.domain.controls import Control, Mechanism


class UnreadablePodSpec(ValueError):
    """The object holds no pod spec that can be judged; it is neither good nor bad.

    `path` is that of the field at fault, empty when the whole object is.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class Role(StrEnum):
    """What a container is for its pod."""

    CONTAINER = "container"
    INIT = "init"
    SIDECAR = "sidecar"
    EPHEMERAL = "ephemeral"


class Source(StrEnum):
    """What decides the profile that a container gets."""

    CONTAINER = "container"
    POD = "pod"
    ANNOTATION = "annotation"
    """Of AppArmor; of seccomp on Kubernetes up to 1.24, and of CRI-O's own."""
    KUBELET = "kubelet default"
    """The kubelets' `seccompDefault`; for AppArmor the container runtime's own default."""
    NOTHING = "nothing"
    PRIVILEGED = "privileged"
    """Container runtimes drop the seccomp profile of a privileged container, whatever it declares."""


class Grade(StrEnum):
    """How well a container is confined by one mechanism. Never a gate."""

    STRONG = "strong"
    """A profile of its own that is known to be on every node; where that is not known, nothing is."""
    GOOD = "good"
    """The runtime's default, asked for."""
    IMPLICIT = "implicit"
    """The runtime's default, by the node's settings alone."""
    WEAK = "weak"
    """A profile that only records or complains, or one that added capabilities widen."""
    NONE = "none"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


class Result(StrEnum):
    """What one control says of one pod."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    UNKNOWN = "unknown"


class Effective(StrEnum):
    """What a container runs with on a Linux node; a profile of its own reads `Localhost:<path or name>` instead."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    KUBELET_DEFAULT = "RuntimeDefault (kubelet)"
    IMPLICIT_DEFAULT = "RuntimeDefault (implicit)"
    """AppArmor only: where nothing is set, the runtime applies its default on nodes that have AppArmor."""
    WIDER_DEFAULT = "RuntimeDefault (wider)"
    """Seccomp only: the runtime's list grows with the capabilities that the container adds."""
    UNCONFINED = "Unconfined"
    UNSET = "Unconfined (nothing set)"
    PRIVILEGED = "Unconfined (privileged)"
    AUDIT_ONLY = "audit only"
    DOES_NOT_START = "does not start"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class ProfilePosture:
    """One container's profile of one mechanism, as declared and as it takes effect."""

    declared: str
    """The type's text as it stands; empty when nothing is set, or when the profile has no type."""
    profile: str | None
    """The path or name of a Localhost profile."""
    source: Source
    effective: str
    """One of `Effective`, or `Localhost:<path or name>`."""
    grade: Grade


@dataclass(frozen=True, slots=True)
class ContainerPosture:
    """One container with what confines it."""

    name: str
    role: Role
    path: str
    """Of the container in its object, for instance `spec.template.spec.containers[0]`."""
    privileged: bool
    seccomp: ProfilePosture
    apparmor: ProfilePosture


@dataclass(frozen=True, slots=True)
class Finding:
    """A control that is not met, and the field at fault."""

    control: Control
    mechanism: Mechanism
    container: str
    """Empty when the pod-level field is at fault."""
    role: Role | None
    """None when the pod-level field is at fault."""
    path: str
    """Of the field, for instance `spec.containers[0].securityContext.seccompProfile.type`."""
    declared: str
    message: str


class Weakness(StrEnum):
    """What else weakens a pod. Findings for reviewers, never gates."""

    PRIVILEGED = "privileged"
    PRIVILEGE_ESCALATION = "privilege-escalation"
    RUNS_AS_ROOT = "runs-as-root"
    CAPABILITIES = "capabilities"
    WRITABLE_ROOT = "writable-root-filesystem"
    HOST_NAMESPACES = "host-namespaces"
    HOST_PATHS = "host-paths"
    HOST_PORTS = "host-ports"
    DEAD_ANNOTATION = "dead-annotation"


@dataclass(frozen=True, slots=True)
class Hardening:
    """One weakness, and the field that makes it."""

    weakness: Weakness
    container: str
    """Empty when it is of the pod."""
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the controls say of one workload, and nothing else."""

    applicable: bool
    """As in `Posture`."""
    findings: tuple[Finding, ...]
    results: tuple[tuple[Control, Result], ...]


@dataclass(frozen=True, slots=True)
class Posture:
    """What one workload's pods get, and what is wrong with it for the controls that were asked."""

    applicable: bool
    """False for Windows pods, which have neither mechanism, and for excluded ones: leave them out of every count."""
    containers: tuple[ContainerPosture, ...]
    findings: tuple[Finding, ...]
    results: tuple[tuple[Control, Result], ...] = ()
    """One a control that was asked, in order."""
    hardening: tuple[Hardening, ...] = ()
    dead_annotations: tuple[str, ...] = ()
    """The keys of annotations for profiles that this cluster does not read; they protect nothing."""
