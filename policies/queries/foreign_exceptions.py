"""PolicyExceptions on clusters that secprof did not make: what they exempt, as far as that can be said."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from policies.domain.exceptions import ExceptionKind
from policies.domain.plans import Manifest
from policies.models import ObservedException, ObservedNamespace, Variant
from policies.queries.exception_support import heeded_by_clusters
from policies.queries.exceptions import BoardFilter
from policies.queries.reach import Reach


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """One exception of somebody else's."""

    id: int
    cluster: str
    group: str
    namespace: str
    """Where it lies."""
    name: str
    policies: tuple[str, ...]
    exempts_everything: bool
    """It has no conditions: every object in every namespace goes free of those policies."""
    reaches: tuple[str, ...] | None
    """Namespaces that it narrows itself to; None when that cannot be said."""
    lies_elsewhere: bool
    """Not in the namespace that was agreed on."""
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ForeignPage:
    """One of them with its text, and what it could be adopted for."""

    row: ForeignRow
    cluster_id: int
    manifest: Manifest
    variants: tuple[tuple[int, str], ...]
    """Id and name of the variants whose policies it names."""
    namespaces: tuple[tuple[str, dict[str, str]], ...]
    """Where it may exempt, of those that there are: each with its labels."""


def foreign(reach: Reach) -> QuerySet[ObservedException]:
    """Give those that somebody may see: by the namespace that each lies in."""
    found = ObservedException.objects.filter(reach.in_namespaces(), exception_key="")
    return found.select_related("cluster").defer("cluster__credential")


def foreign_matching(wanted: BoardFilter, *, reach: Reach) -> QuerySet[ObservedException]:
    """Give those that the board's filters let through, the widest first."""
    rows = foreign(reach).alias(named=Cast("policies", TextField()))
    if wanted.cluster:
        rows = rows.filter(cluster__name=wanted.cluster)
    if wanted.variant:
        rows = rows.filter(named__contains=f'"{wanted.variant}"')
    if wanted.team:
        spaces = ObservedNamespace.objects.filter(team=wanted.team).values("name")
        rows = rows.filter(namespace__in=spaces)
    if wanted.text:
        rows = rows.filter(
            Q(name__icontains=wanted.text)
            | Q(namespace__icontains=wanted.text)
            | Q(named__icontains=wanted.text)
        )
    return rows.order_by("has_conditions", "cluster__name", "namespace", "name")


def foreign_rows(rows: Iterable[ObservedException]) -> tuple[ForeignRow, ...]:
    """Make rows of some, which come with their clusters, in one query."""
    found = list(rows)
    homes = heeded_by_clusters({(row.cluster_id, ExceptionKind(row.group)) for row in found})
    return tuple(
        _row(row, homes[row.cluster_id, ExceptionKind(row.group)].namespace) for row in found
    )


def _row(row: ObservedException, agreed: str) -> ForeignRow:
    return ForeignRow(
        id=row.pk,
        cluster=row.cluster.name,
        group=row.group,
        namespace=row.namespace,
        name=row.name,
        policies=tuple(row.policies),
        exempts_everything=not row.has_conditions,
        reaches=None if row.reaches is None else tuple(row.reaches),
        lies_elsewhere=row.namespace != agreed,
        expires_at=row.expires_at,
    )


def adopted_name(row: ObservedException) -> str:
    """Write what names it in an exception that takes its place."""
    return f"{row.group}/{row.namespace}/{row.name}"


def foreign_page(row: ObservedException, *, reach: Reach) -> ForeignPage:
    """Load one of them, in three queries."""
    known = reach.variants().filter(cluster_id=row.cluster_id).order_by("name")
    spaces = reach.namespaces().filter(cluster_id=row.cluster_id, is_system=False)
    if row.reaches is not None:
        spaces = spaces.filter(name__in=row.reaches)
    return ForeignPage(
        row=foreign_rows([row])[0],
        cluster_id=row.cluster_id,
        manifest=row.manifest,
        variants=tuple((v.pk, v.name) for v in known if _names(row, v)),
        namespaces=tuple(spaces.order_by("name").values_list("name", "labels")),
    )


def _names(row: ObservedException, variant: Variant) -> bool:
    """Say whether it names a policy of this variant: the Audit policy, or a twin of it."""
    own = variant.name
    return any(name == own or name.startswith(f"{own}-enforce") for name in row.policies)
