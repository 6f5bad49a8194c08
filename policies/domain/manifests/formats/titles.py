"""What each control asks, in a title and a sentence, and the references that every export carries."""

from policies.domain.compliance import references
from policies.domain.controls import Control
from policies.domain.facts import ClusterFacts

TITLES: dict[Control, tuple[str, str]] = {
    Control.REQUIRE_SECCOMP: (
        "A seccomp profile is required",
        "Every container has the seccomp profile RuntimeDefault or Localhost, its own or its pod's.",
    ),
    Control.DENY_UNCONFINED_SECCOMP: (
        "Unconfined seccomp is denied",
        "No pod and no container sets a seccomp profile that does not confine.",
    ),
    Control.REQUIRE_APPARMOR: (
        "An AppArmor profile is required",
        "Every container has the AppArmor profile RuntimeDefault or Localhost, its own or its pod's.",
    ),
    Control.DENY_UNCONFINED_APPARMOR: (
        "Unconfined AppArmor is denied",
        "No pod and no container sets an AppArmor profile that does not confine.",
    ),
    Control.PROFILE_INSTALLED: (
        "Localhost profiles are installed",
        "Every Localhost profile that a container uses is known to be on the nodes.",
    ),
    Control.ALLOWED_PROFILES: (
        "Localhost profiles are allowed ones",
        "Every Localhost profile has a path or a name that is allowed.",
    ),
}


def reference_texts(control: Control, facts: ClusterFacts) -> list[str]:
    """Give a control's references as texts, with the benchmark for this version of Kubernetes."""
    return [f"{one}: {one.title}" for one in references(control, facts.kubernetes)]
