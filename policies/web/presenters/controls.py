"""The controls in words, the same on every page: what each asks of a pod, and what it is evidence for."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.domain.compliance import Reference, references, weakness_references
from policies.domain.controls import Control, Mechanism
from policies.domain.library.targets import version_of
from policies.domain.posture import Weakness


@dataclass(frozen=True, slots=True)
class ShownControl:
    """One control as people read it."""

    id: str
    title: str
    help: str
    mechanism: str
    """The mechanism that it is about; empty for both."""
    references: tuple[Reference, ...]
    """The nearest first."""


_WORDS = {
    Control.REQUIRE_SECCOMP: (
        "Require a seccomp profile",
        "Every container needs one of the allowed types, of its own or from its pod. Denies Unconfined too.",
        Mechanism.SECCOMP.value,
    ),
    Control.DENY_UNCONFINED_SECCOMP: (
        "Deny Unconfined seccomp",
        "A container that sets nothing still passes.",
        Mechanism.SECCOMP.value,
    ),
    Control.REQUIRE_APPARMOR: (
        "Require an AppArmor profile",
        "Every container needs one of the allowed types. Not for nodes without AppArmor: pods that ask for a profile"
        " do not start there.",
        Mechanism.APPARMOR.value,
    ),
    Control.DENY_UNCONFINED_APPARMOR: (
        "Deny Unconfined AppArmor",
        "A container that sets nothing still passes: runtimes apply their default on nodes with AppArmor.",
        Mechanism.APPARMOR.value,
    ),
    Control.PROFILE_INSTALLED: (
        "Localhost profiles must be installed",
        "Only profiles that lie on every node pass. Where that is not known, nothing fails.",
        "",
    ),
    Control.ALLOWED_PROFILES: (
        "Localhost profiles must fit a pattern",
        "Each Localhost path or name must match an allowed pattern and none of the denied ones.",
        "",
    ),
}


def shown_control(control: str, kubernetes: str = "") -> ShownControl:
    """Word one control; the cluster's version of Kubernetes chooses the benchmark."""
    known = Control(control)
    title, text, mechanism = _WORDS[known]
    return ShownControl(known.value, title, text, mechanism, control_references(known, kubernetes))


def shown_controls(controls: Iterable[str], kubernetes: str = "") -> tuple[ShownControl, ...]:
    """Word some controls, in the order given."""
    return tuple(shown_control(control, kubernetes) for control in controls)


def control_references(control: Control, kubernetes: str = "") -> tuple[Reference, ...]:
    """Give what a control is evidence for on a cluster of this version."""
    return references(control, _minor(kubernetes))


def weakness_evidence(weakness: str, kubernetes: str = "") -> tuple[Reference, ...]:
    """Give what the mending of a weakness is evidence for on a cluster of this version."""
    return weakness_references(Weakness(weakness), _minor(kubernetes))


def _minor(kubernetes: str) -> tuple[int, int] | None:
    version = version_of(kubernetes)
    return version[:2] if version else None
