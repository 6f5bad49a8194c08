"""Which kinds each kind of policy sees: what it does not see it does not judge, and nobody may call that good."""

from policies.domain.library.records import Target, VariantSpec
from policies.domain.objects import WorkloadKind

_NOT_SEEN = {
    Target.CLUSTER_POLICY: {WorkloadKind.POD_TEMPLATE},
    # Kyverno's autogen for ValidatingPolicies leaves out ReplicationController.
    Target.VALIDATING_POLICY: {WorkloadKind.POD_TEMPLATE, WorkloadKind.REPLICATION_CONTROLLER},
    Target.NATIVE: set(),
}


def judged_kinds(target: Target) -> tuple[WorkloadKind, ...]:
    """Give the kinds of workloads that a policy of this kind can judge; their pods always are."""
    return tuple(kind for kind in WorkloadKind if kind not in _NOT_SEEN[target])


def judged_by(spec: VariantSpec) -> tuple[WorkloadKind, ...]:
    """Give the kinds that this variant judges."""
    return tuple(kind for kind in judged_kinds(spec.target) if kind in spec.parameters.kinds)


def autogen_kinds(spec: VariantSpec) -> tuple[WorkloadKind, ...] | None:
    """Give the kinds that Kyverno's autogen must add to pods; None when its own default is right."""
    judged = judged_by(spec)
    if judged == judged_kinds(spec.target):
        return None
    return tuple(kind for kind in judged if kind is not WorkloadKind.POD)
