"""Verdicts for pages: ready, blocked or unknown, by variant and namespace."""

from collections.abc import Collection, Sequence
from datetime import datetime

from policies.domain.readiness import NamespaceVerdict
from policies.models import Variant
from policies.queries.evidence import load_evidence
from policies.queries.reach import Reach


def verdicts(
    *,
    variants: Sequence[Variant],
    reach: Reach,
    now: datetime,
    namespaces: Collection[str] | None = None,
) -> dict[tuple[int, str], NamespaceVerdict]:
    """Draw the verdict for each variant (with its cluster loaded) and namespace in reach, by (variant id, name).

    Takes a fixed number of queries, however many variants and namespaces there are.
    """
    if not variants:
        return {}
    evidence = load_evidence(variants=variants, namespaces=namespaces)
    clusters = {variant.pk: variant.cluster_id for variant in variants}
    seen = (key for key in evidence.namespaces if reach.sees(clusters[key[0]], key[1]))
    return {key: evidence.assess(*key, now=now) for key in seen}
