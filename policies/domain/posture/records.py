"""What posture says about a pod: the profile that each container gets, where it comes from, and findings."""

from dataclasses import dataclass
from enum import StrEnum

from policies.domain.controls import Control


class UnreadablePodSpec(ValueError):
    """The object holds no pod spec that can be judged; it is neither good nor bad."""


class Role(StrEnum):
    """What a container is for its pod."""

    CONTAINER = "container"
    INIT = "init"
    SIDECAR = "sidecar"
    EPHEMERAL = "ephemeral"


class Source(StrEnum):
    """Where a container's declared profile stands."""

    CONTAINER = "container"
    POD = "pod"
    NOTHING = "nothing"


class Effective(StrEnum):
    """What a container runs with on a Linux node; a profile file reads `Localhost:<path>` instead."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    KUBELET_DEFAULT = "RuntimeDefault (kubelet)"
    WIDER_DEFAULT = "RuntimeDefault (wider)"
    """The runtime's list grows with the capabilities that the container adds."""
    UNCONFINED = "Unconfined"
    UNSET = "Unconfined (nothing set)"
    PRIVILEGED = "Unconfined (privileged)"
    """Container runtimes drop the profile of a privileged container, whatever it declares."""
    AUDIT_ONLY = "audit only"
    DOES_NOT_START = "does not start"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class ContainerPosture:
    """One container's seccomp profile, as declared and as it takes effect."""

    name: str
    role: Role
    path: str
    """Of the container in its object, for instance `spec.template.spec.containers[0]`."""
    declared: str
    """The type's text as it stands; empty when nothing is set, or when the profile has no type."""
    localhost_profile: str | None
    source: Source
    effective: str
    """One of `Effective`, or `Localhost:<path>`."""
    privileged: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A control that is not met, and the field at fault."""

    control: Control
    container: str
    """Empty when the pod-level field is at fault."""
    role: Role | None
    """None when the pod-level field is at fault."""
    path: str
    """Of the field, for instance `spec.containers[0].securityContext.seccompProfile.type`."""
    declared: str
    message: str


@dataclass(frozen=True, slots=True)
class Posture:
    """What one workload's pods get, and what is wrong with it for the controls that were asked."""

    applicable: bool
    """False for Windows pods, which have no seccomp: leave them out of every count."""
    containers: tuple[ContainerPosture, ...]
    findings: tuple[Finding, ...]
    dead_annotations: tuple[str, ...] = ()
    """Seccomp annotations that no supported Kubernetes reads any more; they protect nothing."""
