"""Variants as pages show them: the list by cluster, and one with its objects as wanted and as observed."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, QuerySet

from policies.domain.lifecycle import OPEN_FLIP_STATUSES
from policies.domain.parameters import Parameters
from policies.domain.plans import Manifest
from policies.models import (
    DesiredRevision,
    Flip,
    ObservedPolicy,
    Stage,
    Variant,
    VariantRevision,
)
from policies.queries.flips import FlipRow, flip_rows, related
from policies.queries.reach import Reach
from policies.queries.specs import OBJECT_KINDS, current_revisions, last_written, seen_parameters

FLIPS_SHOWN = 10
CLUSTERS_SHOWN = 15


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One variant in the list."""

    id: int
    name: str
    template: str
    controls: tuple[str, ...]
    target: str
    api_version: str
    state: str
    """`not-installed`, `as-wanted`, `drift` or `missing`."""
    object_count: int
    enforced_count: int
    audit_count: int
    """Namespaces, but for system ones, that are not proven to be enforced."""
    open_flip_count: int
    newest_number: int
    """Of the parameters that people want."""
    installed_number: int | None
    """Of those that were last written to the cluster; None before the first install."""

    @property
    def is_behind(self) -> bool:
        """Whether it was edited since it was last written."""
        return self.installed_number is not None and self.installed_number != self.newest_number


@dataclass(frozen=True, slots=True)
class ClusterVariants:
    """The variants of one cluster."""

    cluster_id: int
    cluster: str
    rows: tuple[VariantRow, ...]


@dataclass(frozen=True, slots=True)
class VariantList:
    """One page of clusters with their variants."""

    groups: tuple[ClusterVariants, ...]
    clusters: tuple[str, ...]
    """Names of all that are listed, on every page."""
    page: int
    page_count: int


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One policy object: as secprof wrote it last, and as the cluster shows it."""

    kind: str
    name: str
    role: str
    state: str
    """`as-wanted`, `drift`, `missing` or `unexpected`."""
    is_ready: bool | None
    changed_at: datetime | None
    wanted: Manifest | None
    """As the server said it would store it when the plan was made; None, like what was observed, where not all of the
    cluster is seen: the texts list namespaces."""
    observed: Manifest | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What was wanted of a variant from one moment on."""

    number: int
    parameters: Parameters
    note: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VariantPage:
    """Everything on the page of one variant."""

    row: VariantRow
    created_by: str
    created_at: datetime
    revision_number: int | None
    objects: tuple[ObjectState, ...]
    enforced: tuple[tuple[str, datetime], ...]
    """Namespaces in reach that are proven to be enforced, and since when."""
    flips: tuple[FlipRow, ...]
    wishes: tuple[Wish, ...]
    """Newest first."""
    is_whole: bool
    """All of the cluster is seen."""


def variants_by_cluster(*, reach: Reach, cluster_name: str = "", page: int = 1) -> VariantList:
    """List variants, some clusters a page, in a fixed number of queries."""
    clusters = reach.clusters()
    if cluster_name:
        clusters = clusters.filter(name=cluster_name)
    everything = list(clusters.values_list("pk", "name"))
    pages = max(1, -(-len(everything) // CLUSTERS_SHOWN))
    number = min(max(1, page), pages)
    names = everything[(number - 1) * CLUSTERS_SHOWN : number * CLUSTERS_SHOWN]
    variants = list(Variant.objects.filter(cluster_id__in=[pk for pk, _ in names]).order_by("name"))
    rows: dict[int, list[VariantRow]] = defaultdict(list)
    for variant, row in zip(variants, _rows(variants, reach), strict=True):
        rows[variant.cluster_id].append(row)
    return VariantList(
        groups=tuple(ClusterVariants(pk, name, tuple(rows[pk])) for pk, name in names),
        clusters=tuple(name for _, name in everything),
        page=number,
        page_count=pages,
    )


def variant_page(variant: Variant, *, reach: Reach) -> VariantPage:
    """Load one variant (with its creator) and everything about it that is seen."""
    observed = list(
        ObservedPolicy.objects.filter(
            cluster_id=variant.cluster_id,
            kind__in=OBJECT_KINDS[variant.target],
            variant_name=variant.name,
        )
    )
    revision = current_revisions([variant]).get(variant.pk)
    stored = _as_stored(revision)
    stages = _stages([variant], reach).order_by("namespace")
    flips = related(reach.flips().filter(variant=variant)).order_by("-requested_at")[:FLIPS_SHOWN]
    is_whole = reach.sees_all_of(variant.cluster_id)
    objects = _objects(revision, observed, stored)
    return VariantPage(
        row=_rows([variant], reach)[0],
        created_by=variant.created_by.get_username(),
        created_at=variant.created_at,
        revision_number=revision.number if revision else None,
        objects=objects if is_whole else tuple(map(_without_text, objects)),
        enforced=tuple(stages.values_list("namespace", "proven_at")),
        flips=flip_rows(flips),
        wishes=tuple(_wishes(variant, reach)),
        is_whole=is_whole,
    )


def _without_text(state: ObjectState) -> ObjectState:
    return replace(state, wanted=None, observed=None)


def _wishes(variant: Variant, reach: Reach) -> Iterator[Wish]:
    found = VariantRevision.objects.filter(variant=variant).select_related("created_by")
    for row in found.order_by("-number"):
        yield Wish(
            number=row.number,
            parameters=seen_parameters(
                Parameters.from_json(row.parameters), cluster_id=variant.cluster_id, reach=reach
            ),
            note=row.note,
            created_by=row.created_by.get_username(),
            created_at=row.created_at,
        )


def _stages(variants: Sequence[Variant], reach: Reach) -> QuerySet[Stage]:
    return Stage.objects.filter(
        reach.in_namespaces("variant__cluster_id"), variant__in=variants, value=Stage.Value.ENFORCE
    )


def _rows(variants: Sequence[Variant], reach: Reach) -> list[VariantRow]:
    cluster_ids = {v.cluster_id for v in variants}
    spaces = reach.namespaces().filter(cluster_id__in=cluster_ids, is_system=False)
    space_counts = Counter(dict(spaces.values_list("cluster_id").annotate(n=Count("pk"))))
    stage_counts = Counter(
        dict(_stages(variants, reach).values_list("variant_id").annotate(n=Count("pk")))
    )
    flips = reach.flips().filter(variant__in=variants, status__in=OPEN_FLIP_STATUSES)
    flip_counts = Counter(dict(flips.values_list("variant_id").annotate(n=Count("pk"))))
    target_of = {kind: target for target, kinds in OBJECT_KINDS.items() for kind in kinds}
    observed: dict[tuple[int, str, str], dict[str, str]] = defaultdict(dict)
    for cluster_id, kind, owner, name, digest in ObservedPolicy.objects.filter(
        cluster_id__in=cluster_ids, variant_name__in=[v.name for v in variants]
    ).values_list("cluster_id", "kind", "variant_name", "name", "digest"):
        observed[cluster_id, target_of.get(kind, kind), owner][name] = digest
    written = last_written(variants).select_related("compiled_from")
    revisions = {
        r.variant_id: r
        for r in written.only("variant_id", "number", "digests", "compiled_from__number")
    }
    return [
        VariantRow(
            id=v.pk,
            name=v.name,
            template=v.template,
            controls=v.controls,
            target=v.target,
            api_version=v.api_version,
            state=_state(observed[v.cluster_id, v.target, v.name], revisions.get(v.pk)),
            object_count=len(observed[v.cluster_id, v.target, v.name]),
            enforced_count=stage_counts[v.pk],
            audit_count=max(0, space_counts[v.cluster_id] - stage_counts[v.pk]),
            open_flip_count=flip_counts[v.pk],
            newest_number=v.revision_number,
            installed_number=_installed_number(revisions.get(v.pk)),
        )
        for v in variants
    ]


def _installed_number(revision: DesiredRevision | None) -> int | None:
    return revision.compiled_from.number if revision else None


def _state(digests: dict[str, str], revision: DesiredRevision | None) -> str:
    wanted = revision.digests if revision else {}
    if digests == wanted:
        return "as-wanted" if wanted else "not-installed"
    return "drift" if digests else "missing"


def _as_stored(revision: DesiredRevision | None) -> dict[str, Manifest]:
    """Give the objects of a revision as the server said it would store them, by name."""
    if revision is None:
        return {}
    flip = Flip.objects.get(rollout__revision=revision)
    return {o["name"]: o["after"] for o in flip.plan["objects"] if o["after"]}


def _objects(
    revision: DesiredRevision | None,
    observed: list[ObservedPolicy],
    stored: dict[str, Manifest],
) -> tuple[ObjectState, ...]:
    wanted = {o["name"]: o for o in revision.objects_wanted} if revision else {}
    seen = {policy.name: policy for policy in observed}
    return tuple(
        _object(name, wanted.get(name), seen.get(name), stored.get(name))
        for name in sorted({*wanted, *seen})
    )


def _object(
    name: str,
    wanted: dict[str, str] | None,
    seen: ObservedPolicy | None,
    stored: Manifest | None,
) -> ObjectState:
    if wanted is None:
        state = "unexpected"
    elif seen is None:
        state = "missing"
    else:
        state = "as-wanted" if seen.digest == wanted["digest"] else "drift"
    return ObjectState(
        kind=seen.kind if seen else str(wanted and wanted["kind"]),
        name=name,
        role=seen.role if seen else str(wanted and wanted["role"]),
        state=state,
        is_ready=seen.is_ready if seen else None,
        changed_at=seen.changed_at if seen else None,
        wanted=stored,
        observed=seen.manifest if seen else None,
    )
