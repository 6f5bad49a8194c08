"""Which kinds each kind of policy sees: what it does not see it does not judge, and nobody may call that good."""

from policies.domain.library.records import Target, VariantSpec
from policies.domain.objects import WorkloadKind

_ALL = frozenset(WorkloadKind)
# By Kyverno's autogen; that of ValidatingPolicies leaves out one kind more.
_AUTOGEN = {
    Target.CLUSTER_POLICY: _ALL - {WorkloadKind.POD_TEMPLATE},
    Target.VALIDATING_POLICY: _ALL
    - {WorkloadKind.POD_TEMPLATE, WorkloadKind.REPLICATION_CONTROLLER},
}
# Filters that Kyverno is installed with keep these from admission, but not from its background scan.
_FILTERED = frozenset({WorkloadKind.REPLICA_SET})


def judged_kinds(target: Target) -> tuple[WorkloadKind, ...]:
    """Give the kinds that a policy of this kind judges when they are written; their pods always are."""
    seen = _AUTOGEN[target] - _FILTERED if target in _AUTOGEN else _ALL
    return tuple(kind for kind in WorkloadKind if kind in seen)


def reported_kinds(target: Target) -> tuple[WorkloadKind, ...]:
    """Give the kinds of which Kyverno's reports tell; native policies have none."""
    return tuple(kind for kind in WorkloadKind if kind in _AUTOGEN.get(target, ()))


def judged_by(spec: VariantSpec) -> tuple[WorkloadKind, ...]:
    """Give the kinds that this variant judges when they are written."""
    return tuple(kind for kind in judged_kinds(spec.target) if kind in spec.parameters.kinds)


def autogen_kinds(spec: VariantSpec) -> tuple[WorkloadKind, ...] | None:
    """Give the kinds that Kyverno's autogen must add to pods; None when its own default is right."""
    wanted = tuple(k for k in reported_kinds(spec.target) if k in spec.parameters.kinds)
    if wanted == reported_kinds(spec.target):
        return None
    return tuple(kind for kind in wanted if kind is not WorkloadKind.POD)
