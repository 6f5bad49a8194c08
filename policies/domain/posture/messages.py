"""The sentences of findings: which container, what stands there, what to set."""

from policies.domain.controls import Mechanism
from policies.domain.posture.declared import Declared, DeclaredContainer

TITLES = {Mechanism.SECCOMP: "seccomp", Mechanism.APPARMOR: "AppArmor"}


def unset(mechanism: Mechanism, of: DeclaredContainer, types: tuple[str, ...]) -> str:
    """Say that a container has no profile, neither of its own nor of the pod."""
    return (
        f"No {TITLES[mechanism]} profile for {where(of)}: set {' or '.join(types)}"
        " on it or on the pod."
    )


def not_annotated(of: DeclaredContainer) -> str:
    """Say the same of a cluster that has no fields for AppArmor."""
    return f"No AppArmor profile for {where(of)}: set its annotation to runtime/default."


def bad(
    mechanism: Mechanism,
    of: DeclaredContainer | None,
    declared: Declared,
    types: tuple[str, ...],
) -> str:
    """Say that a profile does not confine, or not as is demanded."""
    shown = declared.type or "without a type"
    if declared.reference is not None and declared.type in types:
        shown = f"{declared.type} {declared.reference!r}"
    return f"The {TITLES[mechanism]} profile of {where(of)} is {shown}: set {' or '.join(types)}."


def not_installed(mechanism: Mechanism, of: DeclaredContainer, declared: Declared) -> str:
    """Say that a profile is not known to be on every node."""
    return (
        f"The {TITLES[mechanism]} profile {declared.reference!r} of {where(of)} is not known to be"
        " installed on every node: install it, or use another."
    )


def not_allowed(mechanism: Mechanism, of: DeclaredContainer | None, declared: Declared) -> str:
    """Say that a profile is none of those that may be used."""
    return (
        f"The {TITLES[mechanism]} profile {declared.reference!r} of {where(of)} is not among the"
        " allowed ones: use one that is, or RuntimeDefault."
    )


def where(of: DeclaredContainer | None) -> str:
    """Name a container with its role, or the pod."""
    return f"{of.role} {of.container.name}" if of is not None else "the pod"
