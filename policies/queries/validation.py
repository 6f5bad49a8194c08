"""What is known of a variant in one namespace before the cluster is asked: what should become of a bad pod."""

from policies.domain.library import Target, VariantSpec
from policies.domain.validation import Expected
from policies.models import ObservedNamespace, ObservedPolicy, Stage, Variant
from policies.queries.reach import Reach


def expected_in(variant: Variant, spec: VariantSpec, space: ObservedNamespace) -> Expected:
    """Say what should become of a bad pod here: by our proofs, and by the twin as it was collected last."""
    ours = list(ObservedPolicy.objects.filter(cluster=variant.cluster, variant_name=variant.name))
    if not ours:
        return Expected.NOTHING
    is_barred = bool(space.not_enforceable) and variant.target != Target.NATIVE
    if space.is_system or is_barred or space.name in spec.parameters.excluded_namespaces:
        return Expected.LEFT_ALONE
    proven = Stage.objects.filter(
        variant=variant, namespace=space.name, value=Stage.Value.ENFORCE
    ).exists()
    denies = any(space.name in policy.enforced for policy in ours)
    return Expected.REFUSED if proven or denies else Expected.WARNED


def enforced_namespaces(variant: Variant, *, reach: Reach) -> tuple[str, ...]:
    """Name the namespaces in reach in which it is proven to be enforced, sorted."""
    stages = Stage.objects.filter(
        reach.in_namespaces("variant__cluster_id"), variant=variant, value=Stage.Value.ENFORCE
    )
    return tuple(stages.order_by("namespace").values_list("namespace", flat=True))
