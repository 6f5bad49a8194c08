"""Exceptions as a cluster sees them: what an exemption compiles to, what proves it, and what lies there already."""

from policies.domain.exceptions.compile import TWINS, compile_exception
from policies.domain.exceptions.proof import also_covers, covered, exempt_pods
from policies.domain.exceptions.read import exception_digest, read_exception
from policies.domain.exceptions.records import (
    EXCEPTION_KIND,
    EXCEPTION_VERSIONS,
    CompiledException,
    ExceptionKind,
    ExemptPods,
    ObservedExceptionRecord,
    exception_kind,
    exception_name,
    kind_for,
)
from policies.domain.exceptions.support import Support, agreed_namespace, exception_support
from policies.domain.identities import Identity, InvalidExemption, identity_of

__all__ = [
    "EXCEPTION_KIND",
    "EXCEPTION_VERSIONS",
    "TWINS",
    "CompiledException",
    "ExceptionKind",
    "ExemptPods",
    "Identity",
    "InvalidExemption",
    "ObservedExceptionRecord",
    "Support",
    "agreed_namespace",
    "also_covers",
    "compile_exception",
    "covered",
    "exception_digest",
    "exception_kind",
    "exception_name",
    "exception_support",
    "exempt_pods",
    "identity_of",
    "kind_for",
    "read_exception",
]
