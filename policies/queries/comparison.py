"""The variants of one template over all clusters, as they are installed: what each asks, and how far each has come."""

import json
from collections import Counter
from dataclasses import dataclass

from django.db.models import Count

from policies.domain.library import Target, VariantSpec
from policies.domain.parameters import Parameters
from policies.models import Stage, Variant, VariantRevision
from policies.queries.reach import Reach
from policies.queries.specs import last_written, seen_spec


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


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads parameters, the same ones once: most variants of a fleet ask the same."""

    known: dict[str, Parameters]

    def spec(self, variant: Variant, wanted: Variant | VariantRevision) -> VariantSpec:
        """Read what a variant, or one of its revisions, asks."""
        text = json.dumps(wanted.parameters, sort_keys=True)
        if text not in self.known:
            self.known[text] = Parameters.from_json(wanted.parameters)
        return VariantSpec(
            name=variant.name,
            template=variant.template,
            target=Target(wanted.target),
            api_version=wanted.api_version,
            parameters=self.known[text],
        )


def compare_variants(template: str, *, reach: Reach) -> tuple[ComparedVariant, ...]:
    """Load the variants of one template on clusters in view, by cluster and name, in a fixed number of queries."""
    variants = list(
        reach.variants()
        .filter(template=template)
        .only("name", "template", "target", "api_version", "parameters", "cluster__name")
        .order_by("cluster__name", "name")
    )
    written = {
        r.variant_id: r.compiled_from
        for r in last_written(variants)
        .select_related("compiled_from")
        .only("variant_id", "compiled_from")
    }
    read = _Reader({})
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
                read.spec(variant, written.get(variant.pk, variant)),
                cluster_id=variant.cluster_id,
                reach=reach,
            ),
            is_installed=variant.pk in written,
            is_behind=variant.pk in written
            and read.spec(variant, written[variant.pk]) != read.spec(variant, variant),
            enforced_count=enforced[variant.pk],
            namespace_count=counts[variant.cluster_id],
        )
        for variant in variants
    )
