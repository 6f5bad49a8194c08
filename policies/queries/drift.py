"""Variants whose objects on the cluster are not those that secprof wrote last, over all clusters at once.

Only names and digests are compared, never a manifest: a fleet has hundreds of variants.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from policies.models import ObservedPolicy, Variant
from policies.queries.evidence import AUDITING_ROLES
from policies.queries.reach import Reach
from policies.queries.specs import OBJECT_KINDS, last_written


@dataclass(frozen=True, slots=True)
class Drifted:
    """One variant that has drifted."""

    variant_id: int
    variant: str
    cluster: str
    changed_at: datetime | None
    """When a run first saw the newest of its objects that make older evidence tell of another policy."""


def drifted_variants(*, reach: Reach) -> tuple[Drifted, ...]:
    """List the variants in view that have drifted, by cluster and name, in four queries."""
    variants = Variant.objects.filter(reach.on_clusters())
    wanted = dict(last_written(variants).values_list("variant_id", "digests"))
    target_of = {kind: target for target, kinds in OBJECT_KINDS.items() for kind in kinds}
    ours = ObservedPolicy.objects.filter(reach.on_clusters()).exclude(variant_name="")
    observed: dict[tuple[int, str, str], dict[str, str]] = defaultdict(dict)
    for cluster_id, kind, owner, name, digest in ours.values_list(
        "cluster_id", "kind", "variant_name", "name", "digest"
    ):
        observed[cluster_id, target_of.get(kind, kind), owner][name] = digest
    named = variants.order_by("cluster__name", "name").values_list(
        "pk", "name", "target", "cluster_id", "cluster__name"
    )
    found = [
        (pk, name, cluster_id, cluster)
        for pk, name, target, cluster_id, cluster in named
        if observed.get((cluster_id, target, name), {}) != wanted.get(pk, {})
    ]
    changed = _changes({cluster_id for _, _, cluster_id, _ in found})
    return tuple(
        Drifted(pk, name, cluster, changed.get((cluster_id, name)))
        for pk, name, cluster_id, cluster in found
    )


def _changes(cluster_ids: set[int]) -> dict[tuple[int, str], datetime]:
    """Say when the objects of the variants on some clusters were changed last."""
    rows = ObservedPolicy.objects.filter(
        cluster_id__in=cluster_ids, role__in=AUDITING_ROLES
    ).order_by("changed_at")
    return {
        (cluster_id, name): at
        for cluster_id, name, at in rows.values_list("cluster_id", "variant_name", "changed_at")
    }
