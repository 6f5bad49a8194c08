"""Posture: the profile that each container of a workload gets, what is wrong with it, and what would fix it."""

from policies.domain.posture.assessment import assess, judge
from policies.domain.posture.patches import patch_for
from policies.domain.posture.pods import pod_of
from policies.domain.posture.proposals import fix_for, proposed_profile
from policies.domain.posture.records import (
    ContainerPosture,
    Effective,
    Finding,
    Grade,
    Hardening,
    Judgement,
    Posture,
    ProfilePosture,
    Result,
    Role,
    Source,
    UnreadablePodSpec,
    Weakness,
)

__all__ = [
    "ContainerPosture",
    "Effective",
    "Finding",
    "Grade",
    "Hardening",
    "Judgement",
    "Posture",
    "ProfilePosture",
    "Result",
    "Role",
    "Source",
    "UnreadablePodSpec",
    "Weakness",
    "assess",
    "fix_for",
    "judge",
    "patch_for",
    "pod_of",
    "proposed_profile",
]
