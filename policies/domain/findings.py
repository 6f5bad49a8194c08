"""What a finding is, and how it ends. Where findings are kept is not said here."""

from enum import StrEnum

from policies.domain.reports import Outcome

FINDING_OUTCOMES = frozenset({Outcome.FAIL, Outcome.WARN, Outcome.ERROR})
"""A result with one of these is a finding; a pass or a skip is none."""


class Closing(StrEnum):
    """How a finding ended, as far as reports, policies and workloads of the same run tell."""

    FIXED = "fixed"
    """The same object was judged again, and no longer fails."""
    EXEMPTED = "exempted"
    """The rule skips the object now."""
    REPLACED = "replaced"
    """It was about a pod or a ReplicaSet that is gone, and their workload is still there."""
    WORKLOAD_GONE = "workload-gone"
    POLICY_GONE = "policy-gone"
    UNREPORTED = "unreported"
    """No report speaks of it any more, and nothing says why: this is not known to be good."""
