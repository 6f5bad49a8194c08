"""The variants of one template over all clusters, as they are installed: what each asks, and how far each has come."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count

from policies.domain.library import VariantSpec
from policies.models import Stage
from policies.queries.reach import Reach
from policies.queries.specs import current_revisions, seen_spec, spec_of, written_spec


@dataclass(frozen=True, slots=True)
class ComparedVariant:
    """One variant with what the cluster holds of it; what is wanted, while nothing is installed."""

    id: int
    name: str
    cluster: str
    spec: VariantSpec
    is_installed: bool
    is_behind: bool
    """Other parameters are wanted than those that are installed."""
    enforced_count: int
    namespace_count: int
    """All but system ones."""


def compare_variants(template: str, *, reach: Reach) -> tuple[ComparedVariant, ...]:
    """Load the variants of one template on clusters in view, by cluster and name, in a fixed number of queries."""
    variants = list(
        reach.variants()
        .filter(template=template)
        .defer("cluster__credential")
        .order_by("cluster__name", "name")
    )
    current = current_revisions(variants)
    stages = Stage.objects.filter(
        reach.in_namespaces("variant__cluster_id"), variant__in=variants, value=Stage.Value.ENFORCE
    )
    enforced = Counter(dict(stages.values_list("variant_id").annotate(n=Count("pk"))))
    spaces = reach.namespaces().filter(is_system=False)
    counts = Counter(dict(spaces.values_list("cluster_id").annotate(n=Count("pk"))))
    return tuple(
        ComparedVariant(
            id=variant.pk,
            name=variant.name,
            cluster=variant.cluster.name,
            spec=seen_spec(
                written_spec(variant, current.get(variant.pk)),
                cluster_id=variant.cluster_id,
                reach=reach,
            ),
            is_installed=variant.pk in current,
            is_behind=variant.pk in current
            and written_spec(variant, current[variant.pk]) != spec_of(variant),
            enforced_count=enforced[variant.pk],
            namespace_count=counts[variant.cluster_id],
        )
        for variant in variants
    )
