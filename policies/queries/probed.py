"""The namespaces in which trying out a pod tells something: where an engine judges at all."""

from django.db.models import QuerySet

from policies.domain.library import Target
from policies.models import ObservedNamespace, Variant


def probed_namespaces(variant: Variant) -> QuerySet[ObservedNamespace]:
    """Give the namespaces of a variant's cluster in which its policy is asked about pods, by name."""
    found = ObservedNamespace.objects.filter(
        cluster_id=variant.cluster_id, is_system=False, is_terminating=False
    )
    if variant.target != Target.NATIVE:
        # What Kyverno leaves out the API server judges all the same.
        found = found.filter(not_enforceable=[])
    return found.order_by("name")
