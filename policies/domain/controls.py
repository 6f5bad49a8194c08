"""The controls that secprof knows: one named check on a pod each. How they are judged stands in `posture` and `library`."""

from enum import StrEnum


class Control(StrEnum):
    """A check on a pod; the value is also the name of the rule that carries it out in a ClusterPolicy."""

    REQUIRE_SECCOMP = "require-seccomp"
    DENY_UNCONFINED_SECCOMP = "deny-unconfined-seccomp"
