"""The parameters of a template: what its controls demand, of whom, and in which words. The same for every kind of policy."""

from policies.domain.parameters.checks import AUDIT, LIST_LIMIT, MESSAGE_LIMIT, REFERENCE_LIMIT
from policies.domain.parameters.problems import InvalidParameters
from policies.domain.parameters.profiles import (
    LOCALHOST,
    LOCALHOST_PREFIX,
    PROFILE_TYPES,
    RUNTIME_DEFAULT,
    ProfileParameters,
    is_safe_path,
    is_unconfined,
    reference_of,
)
from policies.domain.parameters.records import Parameters

__all__ = [
    "AUDIT",
    "LIST_LIMIT",
    "LOCALHOST",
    "LOCALHOST_PREFIX",
    "MESSAGE_LIMIT",
    "PROFILE_TYPES",
    "REFERENCE_LIMIT",
    "RUNTIME_DEFAULT",
    "InvalidParameters",
    "Parameters",
    "ProfileParameters",
    "is_safe_path",
    "is_unconfined",
    "reference_of",
]
