"""A seeded fleet in a database: a hundred clusters with 5,000 namespaces, and as many results as are wanted.

The first two clusters are those of the walk (`tests.integration.web.walk_company`), so that its table can say how each
page is reached; they and the namespace that it looks at are the largest. A result that passes is only counted, as
everywhere in secprof: of the results written here, about 10 in 100 do not pass and are rows.
"""

from collections.abc import Sequence
from random import Random

from django.db import connection, transaction
from django.utils import timezone

from bench import fleet_decisions, fleet_evidence
from bench.fleet_records import RESULTS_PER_WORKLOAD, VARIANTS, Fleet, Space, insert
from policies.models import Cluster, ObservedNamespace, Variant
from tests import factories
from tests.integration.web.walk_company import Company, company

CLUSTERS = 100
NAMESPACES = 5000
TEAMS = 120
LOOKED_AT = 100
"""Workloads in each namespace of the walk, at every size: what is compared are full pages."""


def build(results: int, *, clusters: int = CLUSTERS, namespaces: int = NAMESPACES) -> Company:
    """Fill an empty, migrated database; the same for the same numbers."""
    with transaction.atomic():
        firm = company()
        fleet = _founded(firm, results, cluster_count=clusters, namespace_count=namespaces)
        fleet_evidence.write(fleet)
        fleet_decisions.write(fleet)
    if connection.vendor == "postgresql":
        # As autovacuum would have done by now.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return firm


def _founded(firm: Company, results: int, *, cluster_count: int, namespace_count: int) -> Fleet:
    random = Random(20_260_101)
    clusters = [firm.atlas, firm.borealis]
    clusters += [factories.cluster(f"fleet-{n:03}") for n in range(cluster_count - len(clusters))]
    variants = {}
    for cluster in clusters:
        known = {v.name: v for v in Variant.objects.filter(cluster=cluster)}
        variants[cluster.pk] = tuple(
            known.get(name) or factories.installed(cluster, name) for name in VARIANTS
        )
    spaces = _spaces(random, clusters, namespace_count, results // RESULTS_PER_WORKLOAD)
    return Fleet(random, timezone.now(), results, spaces, tuple(clusters), variants)


def _spaces(
    random: Random, clusters: Sequence[Cluster], namespace_count: int, workloads: int
) -> tuple[Space, ...]:
    """Spread namespaces over clusters, and workloads over namespaces: few are large, most are small."""
    found: list[tuple[Cluster, str]] = []
    shares: list[float] = []
    known = ObservedNamespace.objects.filter(is_system=False).order_by("cluster_id", "pk")
    names: dict[int, list[str]] = {cluster.pk: [] for cluster in clusters}
    for row in known.exclude(name="excludedglen"):
        names[row.cluster_id].append(row.name)
    looked_at = {(pk, name) for pk, here in names.items() for name in here}
    new = []
    sizes = _apportioned(namespace_count, [1 / (2 + rank) for rank in range(len(clusters))])
    for cluster, size in zip(clusters, sizes, strict=True):
        here = names[cluster.pk]
        for number in range(len(here), size):
            team = f"team-{random.randrange(TEAMS):03}"
            here.append(f"{team}-app-{number:03}")
            new.append(_namespace(cluster, here[-1], team))
        for rank, name in enumerate(here):
            found.append((cluster, name))
            shares.append(0 if (cluster.pk, name) in looked_at else size / (10 + rank))
    insert(new)
    rest = max(workloads - LOOKED_AT * len(looked_at), workloads // 4)
    counts = _apportioned(rest, shares)
    return tuple(
        Space(cluster, name, LOOKED_AT if (cluster.pk, name) in looked_at else count)
        for (cluster, name), count in zip(found, counts, strict=True)
    )


def _namespace(cluster: Cluster, name: str, team: str) -> ObservedNamespace:
    return ObservedNamespace(
        cluster=cluster,
        name=name,
        uid=f"{cluster.pk}-{name}",
        team=team,
        labels={"team": team, "kubernetes.io/metadata.name": name, "tier": "app"},
        content_hash="0" * 32,
    )


def _apportioned(total: int, shares: Sequence[float]) -> list[int]:
    """Divide a number by shares, so that nothing is lost to rounding."""
    whole, given, counts = sum(shares), 0, []
    seen = 0.0
    for share in shares:
        seen += share
        upto = round(total * seen / whole)
        counts.append(upto - given)
        given = upto
    return counts
