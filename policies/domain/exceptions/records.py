"""What exceptions are on a cluster: the two kinds of Kyverno's, as compiled and as read."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from policies.domain.library import Target, VariantSpec

Manifest = dict[str, Any]

EXCEPTION_KIND = "PolicyException"
"""Both groups call it so."""


class ExceptionKind(StrEnum):
    """The group of a PolicyException: the two have nothing but the name in common."""

    KYVERNO = "kyverno.io"
    """For ClusterPolicies, rule by rule."""
    CEL = "policies.kyverno.io"
    """For ValidatingPolicies, as a whole."""


EXCEPTION_VERSIONS: dict[ExceptionKind, tuple[str, ...]] = {
    ExceptionKind.KYVERNO: ("kyverno.io/v2",),
    ExceptionKind.CEL: (
        "policies.kyverno.io/v1",
        "policies.kyverno.io/v1beta1",
        "policies.kyverno.io/v1alpha1",
    ),
}
"""Newest first."""

_KINDS = {
    Target.CLUSTER_POLICY: ExceptionKind.KYVERNO,
    Target.VALIDATING_POLICY: ExceptionKind.CEL,
}


def exception_kind(spec: VariantSpec) -> ExceptionKind | None:
    """Say which kind of exception a variant's policies heed; None for native ones, which have conditions instead."""
    return kind_for(spec.target)


def kind_for(target: Target) -> ExceptionKind | None:
    """Say the same of every variant with this target."""
    return _KINDS.get(target)


def exception_name(key: str) -> str:
    """Name the object of the exception with this key."""
    return f"secprof-{key}"


@dataclass(frozen=True, slots=True)
class CompiledException:
    """One PolicyException, as it is to be written."""

    group: ExceptionKind
    api_version: str
    namespace: str
    """Where the object lies; what it exempts lies elsewhere."""
    name: str
    manifest: Manifest
    kind: str = EXCEPTION_KIND


@dataclass(frozen=True, slots=True)
class ExemptPods:
    """Two pods for dry-run creates that fail the variant alike and differ in who they are."""

    exempted: Manifest
    """As the workload's own pods are named and owned: to be admitted. Of a bare Pod that runs already the server says
    that it exists, which it asks only after admission."""
    neighbour: Manifest
    """As a workload beside it, whose name begins alike: to be refused."""


@dataclass(frozen=True, slots=True)
class ObservedExceptionRecord:
    """One PolicyException on a cluster, whoever wrote it, as far as secprof reads it."""

    group: ExceptionKind
    api_version: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    digest: str
    policies: tuple[str, ...]
    """Names, sorted. Those of namespaced policies have their namespace in front."""
    rules: tuple[str, ...]
    """Sorted; wildcards stay. Empty for those that exempt from whole policies."""
    has_conditions: bool
    """False: it exempts every object of its kinds in every namespace, wherever it lies (T9)."""
    reaches: tuple[str, ...] | None
    """Namespaces in which it exempts, sorted; None when that cannot be said: perhaps everywhere."""
    expires_at: datetime | None
    """What Kyverno 1.19 and later read, and not on time."""
    exception_key: str
    """Of ours: which exception it carries out. Empty for those of others."""
    variant: str
    """Of ours: for which variant."""

    @property
    def is_ours(self) -> bool:
        return bool(self.exception_key)
