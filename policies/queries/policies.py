"""Policies as the clusters hold them, whoever wrote them, each with what the lint finds. Nothing of it is stored."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from policies.domain.authority import NotAllowed
from policies.domain.library import ObjectRole, Target
from policies.domain.lint import (
    JUDGED_FAMILIES,
    Facts,
    LintFinding,
    Policy,
    Severity,
    action_of,
    lint,
    owner_of,
    read_version,
)
from policies.models import Cluster, ObservedPolicy, Variant
from policies.queries.effects import ALL_SPACES, EffectFilter, EffectList, policy_effects
from policies.queries.evidence import SOURCE
from policies.queries.reach import Reach
from policies.queries.trends import PolicyChoice

PAGE_SIZE = 30
OURS, OTHERS = "secprof", "others"
INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class PolicyFilter:
    """What to list; empty values do not filter."""

    cluster: str = ""
    kind: str = ""
    written: str = ""
    """`secprof` or `others`."""
    reading: str = ""
    """`inconsistent`: those about which the engine contradicts itself."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy on one cluster."""

    cluster: str
    kind: str
    name: str
    variant_id: int | None
    """The variant that it belongs to, when secprof wrote it and still knows it."""
    owner: str
    action: str
    errors: int
    warnings: int
    notes: int
    is_judged: bool
    """The lint knows this kind; of another one no findings say nothing."""
    is_inconsistent: bool
    """The engine reads its failure action in two ways in some namespace, as was found at the last collection."""

    @property
    def is_clean(self) -> bool:
        return not (self.errors or self.warnings or self.notes)


@dataclass(frozen=True, slots=True)
class PolicyList:
    """One page of the list, with the choices of its filters."""

    rows: tuple[PolicyRow, ...]
    total_count: int
    page: int
    page_count: int
    clusters: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """One policy with everything that the lint says."""

    row: PolicyRow
    cluster: Cluster
    api_version: str
    is_ready: bool | None
    facts: Facts
    findings: tuple[LintFinding, ...]
    effects: EffectList | None
    """What it does in each namespace; None for those that secprof wrote, and where nobody can tell."""
    trend_policy: str
    """The key under which its results have a trend; empty for what reports none."""
    manifest: Mapping[str, Any] = field(hash=False)


def facts_of(cluster: Cluster) -> Facts:
    """Give the versions that the last contact with a cluster read."""
    return Facts(
        kubernetes=read_version(cluster.kubernetes_version),
        kyverno=read_version(cluster.kyverno_version),
    )


def policy_list(wanted: PolicyFilter, *, reach: Reach, page: int) -> PolicyList:
    """Load and lint one page of policies on clusters in view, in a fixed number of queries."""
    held = ObservedPolicy.objects.filter(reach.on_clusters())
    rows = held.filter(_condition(wanted))
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    found = list(_with_cluster(rows)[start : start + PAGE_SIZE])
    variants = _variants(found)
    return PolicyList(
        rows=tuple(
            _row(p, lint(p.manifest, facts_of(p.cluster)), variants, reach=reach) for p in found
        ),
        total_count=total,
        page=number,
        page_count=pages,
        clusters=tuple(reach.clusters().values_list("name", flat=True)),
        kinds=tuple(held.order_by("kind").values_list("kind", flat=True).distinct()),
    )


def policy_page(
    *,
    reach: Reach,
    cluster: str,
    kind: str,
    name: str,
    spaces: EffectFilter = ALL_SPACES,
) -> PolicyPage:
    """Load and lint one policy, with what it does in the namespaces that are asked for.

    Raises:
        ObservedPolicy.DoesNotExist: no cluster in view holds it any more.
        NotAllowed: not all of the cluster is seen, and the text of a policy lists namespaces.
    """
    rows = ObservedPolicy.objects.filter(
        reach.on_clusters(), cluster__name=cluster, kind=kind, name=name
    )
    found = _with_cluster(rows).get()
    if not reach.sees_all_of(found.cluster_id):
        raise NotAllowed(
            f"The text of a policy may name any namespace: to read it takes a role on all of {cluster}."
        )
    facts = facts_of(found.cluster)
    findings = lint(found.manifest, facts)
    return PolicyPage(
        row=_row(found, findings, _variants([found]), reach=reach),
        cluster=found.cluster,
        api_version=str(found.manifest.get("apiVersion", "")),
        is_ready=found.is_ready,
        facts=facts,
        findings=findings,
        effects=policy_effects(found, spaces, reach=reach),
        trend_policy=_trend_policy(found),
        manifest=found.manifest,
    )


def _trend_policy(found: ObservedPolicy) -> str:
    is_quiet = found.kind == Target.NATIVE or found.role == ObjectRole.TWIN
    source = "" if is_quiet else SOURCE.get(found.kind, "")
    return PolicyChoice(source, found.name).key if source else ""


def _condition(wanted: PolicyFilter) -> Q:
    condition = Q()
    if wanted.cluster:
        condition &= Q(cluster__name=wanted.cluster)
    if wanted.kind:
        condition &= Q(kind=wanted.kind)
    if wanted.text:
        condition &= Q(name__icontains=wanted.text)
    if wanted.reading == INCONSISTENT:
        condition &= Q(is_inconsistent=True)
    if wanted.written in (OURS, OTHERS):
        unwritten = Q(variant_name="")
        condition &= unwritten if wanted.written == OTHERS else ~unwritten
    return condition


def _with_cluster(rows: QuerySet[ObservedPolicy]) -> QuerySet[ObservedPolicy]:
    ordered = rows.select_related("cluster").defer("cluster__credential")
    return ordered.order_by("cluster__name", "name", "kind")


def _variants(rows: list[ObservedPolicy]) -> dict[tuple[int, str], int]:
    names = {row.variant_name for row in rows if row.variant_name}
    known = Variant.objects.filter(name__in=names)
    return {(c, n): pk for c, n, pk in known.values_list("cluster_id", "name", "pk")}


def _row(
    found: ObservedPolicy,
    findings: tuple[LintFinding, ...],
    variants: dict[tuple[int, str], int],
    *,
    reach: Reach,
) -> PolicyRow:
    policy = Policy(found.manifest)
    counts = Counter(finding.severity for finding in findings)
    return PolicyRow(
        cluster=found.cluster.name,
        kind=found.kind,
        name=found.name,
        variant_id=variants.get((found.cluster_id, found.variant_name)),
        owner="secprof" if found.variant_name else owner_of(policy),
        action=action_of(policy, names_namespaces=reach.sees_all_of(found.cluster_id)),
        errors=counts[Severity.ERROR],
        warnings=counts[Severity.WARNING],
        notes=counts[Severity.INFO],
        is_judged=policy.family in JUDGED_FAMILIES,
        is_inconsistent=found.is_inconsistent,
    )
