"""The controls that secprof knows: one named check on a pod each. How they are judged stands in `posture` and `library`."""

from collections.abc import Iterable
from enum import StrEnum


class Mechanism(StrEnum):
    """What confines a container."""

    SECCOMP = "seccomp"
    APPARMOR = "apparmor"


class Control(StrEnum):
    """A check on a pod; the value is also the name of the rule that carries it out in a ClusterPolicy."""

    REQUIRE_SECCOMP = "require-seccomp"
    DENY_UNCONFINED_SECCOMP = "deny-unconfined-seccomp"
    REQUIRE_APPARMOR = "require-apparmor"
    DENY_UNCONFINED_APPARMOR = "deny-unconfined-apparmor"
    PROFILE_INSTALLED = "profile-installed"
    ALLOWED_PROFILES = "allowed-profiles"


SECCOMP_CONTROLS = (Control.REQUIRE_SECCOMP, Control.DENY_UNCONFINED_SECCOMP)
APPARMOR_CONTROLS = (Control.REQUIRE_APPARMOR, Control.DENY_UNCONFINED_APPARMOR)
BASE_CONTROLS = (*SECCOMP_CONTROLS, *APPARMOR_CONTROLS)
"""Those that need no list of profiles: C1 to C4."""

IMPLIED: dict[Control, Control] = {
    Control.REQUIRE_SECCOMP: Control.DENY_UNCONFINED_SECCOMP,
    Control.REQUIRE_APPARMOR: Control.DENY_UNCONFINED_APPARMOR,
}
"""What requires a profile denies Unconfined too, with a reason of its own."""


def in_order(controls: Iterable[str]) -> tuple[Control, ...]:
    """Put controls, or their ids, into the order of the enumeration, each once.

    Raises:
        ValueError: there is no such control.
    """
    asked = {Control(control) for control in controls}
    return tuple(control for control in Control if control in asked)
