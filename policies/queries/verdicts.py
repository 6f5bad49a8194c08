"""Verdicts for pages: ready, blocked or unknown, by variant and namespace."""

from collections.abc import Collection, Sequence
from datetime import datetime

from policies.domain.readiness import NamespaceVerdict
from policies.models import Variant
from policies.queries.evidence import load_evidence


def verdicts(
    *, variants: Sequence[Variant], now: datetime, namespaces: Collection[str] | None = None
) -> dict[tuple[int, str], NamespaceVerdict]:
    """Draw the verdict for each variant (with its cluster loaded) and namespace, by (variant id, name).

    Takes a fixed number of queries, however many variants and namespaces there are.
    """
    if not variants:
        return {}
    evidence = load_evidence(variants=variants, namespaces=namespaces)
    return {key: evidence.assess(*key, now=now) for key in evidence.namespaces}
