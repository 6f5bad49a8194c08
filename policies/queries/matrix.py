"""The readiness matrix: namespaces of one cluster by its variants, filtered and paged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from policies.domain.authority import Place
from policies.domain.library import Target
from policies.domain.readiness import Barred, Verdict
from policies.models import Cluster, ObservedNamespace, Variant
from policies.queries.cells import Cell, CellState, Situation, load_situation
from policies.queries.evidence import Evidence, barred_by, load_evidence
from policies.queries.reach import Reach

PAGE_SIZE = 40

_STAGES = {
    "enforced": frozenset({CellState.ENFORCED}),
    "rolling": frozenset({CellState.ROLLING}),
    "audit": frozenset({CellState.READY, CellState.BLOCKED, CellState.UNKNOWN}),
    "unproven": frozenset({CellState.UNPROVEN, CellState.LOST}),
    "not enforceable": frozenset({CellState.NOT_ENFORCEABLE}),
}
STAGES = tuple(_STAGES)
VERDICTS = tuple(verdict.value for verdict in Verdict)


@dataclass(frozen=True, slots=True)
class MatrixFilter:
    """What to show; empty values do not filter."""

    team: str = ""
    verdict: str = ""
    stage: str = ""
    text: str = ""
    with_system: bool = False
    page: int = 1


@dataclass(frozen=True, slots=True)
class Column:
    """One variant."""

    variant_id: int
    name: str
    target: str
    is_installed: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One namespace."""

    namespace: str
    team: str
    is_system: bool
    is_terminating: bool
    cells: tuple[Cell, ...]
    place: Place
    """Where rights are judged at."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One page of the matrix."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total_count: int
    """Namespaces that the filter lets through."""
    namespace_count: int
    """All namespaces of the cluster that are seen."""
    page: int
    page_count: int
    teams: tuple[str, ...]

    def cell(self, variant_id: int, namespace: str) -> Cell | None:
        """Find one cell; None where it is not on this page."""
        here = (row for row in self.rows if row.namespace == namespace)
        return next((c for row in here for c in row.cells if c.variant_id == variant_id), None)


def load_cell(variant: Variant, space: ObservedNamespace, *, reach: Reach, now: datetime) -> Cell:
    """Load one cell by itself, in a fixed number of queries; its namespace must be seen."""
    evidence = load_evidence(variants=[variant], namespaces=[space.name])
    situation = load_situation([variant], reach=reach, namespaces=[space.name])
    verdict = evidence.assess(variant.pk, space.name, now=now)
    return situation.cell(variant.pk, verdict, is_system=space.is_system)


def load_matrix(cluster: Cluster, wanted: MatrixFilter, *, reach: Reach, now: datetime) -> Matrix:
    """Load one page of the matrix, in a fixed number of queries.

    Only a filter by verdict or stage looks at more namespaces than are shown: at those of this cluster.
    """
    variants = list(
        Variant.objects.filter(cluster=cluster).select_related("cluster").order_by("name")
    )
    seen = reach.namespaces().filter(cluster=cluster)
    chosen = seen.filter(_lets_through(wanted)).order_by("name")
    evidence = situation = None
    if wanted.stage or wanted.verdict:
        situation = load_situation(variants, reach=reach)
        evidence = load_evidence(variants=variants) if wanted.verdict else None
        cells = _Cells(wanted, variants, situation, evidence, now)
        named = chosen.values_list("name", "is_system", "not_enforceable", "not_enforceable_since")
        fitting = [
            name
            for name, is_system, obstacles, since in named
            if cells.fit(name, is_system=is_system, barred=barred_by(obstacles, since))
        ]
        chosen = chosen.filter(name__in=fitting)
    total = chosen.count()
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(1, wanted.page), pages)
    shown = list(chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE])
    names = [space.name for space in shown]
    situation = situation or load_situation(variants, reach=reach, namespaces=names)
    evidence = evidence or load_evidence(variants=variants, namespaces=names)
    teams = seen.exclude(team="").order_by("team").values_list("team", flat=True).distinct()
    return Matrix(
        columns=tuple(
            Column(v.pk, v.name, v.target, v.pk in situation.installed) for v in variants
        ),
        rows=tuple(_row(space, variants, evidence, situation, now) for space in shown),
        total_count=total,
        namespace_count=seen.count(),
        page=page,
        page_count=pages,
        teams=tuple(teams),
    )


def _lets_through(wanted: MatrixFilter) -> Q:
    asked = Q() if wanted.with_system else Q(is_system=False)
    if wanted.team:
        asked &= Q(team=wanted.team)
    return asked & Q(name__contains=wanted.text.lower()) if wanted.text else asked


@dataclass(frozen=True, slots=True)
class _Cells:
    """Finds the namespaces that have a cell of the stage and the verdict that are wanted."""

    wanted: MatrixFilter
    variants: Sequence[Variant]
    situation: Situation
    evidence: Evidence | None
    """None where no verdict is asked for: none is drawn then."""
    now: datetime

    def fit(self, name: str, *, is_system: bool, barred: Barred | None) -> bool:
        """Say whether a namespace has such a cell."""
        return any(
            # Behind a native policy there is no engine.
            self._fits(v.pk, name, is_system, None if v.target == Target.NATIVE else barred)
            for v in self.variants
        )

    def _fits(
        self,
        variant_id: int,
        name: str,
        is_system: bool,  # noqa: FBT001 - as `fit` has them
        barred: Barred | None,
    ) -> bool:
        state = self.situation.decided(variant_id, name, is_system=is_system, barred=barred)
        if self.wanted.stage:
            is_there = (state or CellState.UNKNOWN) in _STAGES[self.wanted.stage]
        else:
            # What is enforced already waits for no verdict.
            is_there = state is None
        if self.evidence is None or not is_there:
            return is_there
        verdict = self.evidence.assess(variant_id, name, now=self.now).verdict
        return verdict == self.wanted.verdict


def _row(
    space: ObservedNamespace,
    variants: Sequence[Variant],
    evidence: Evidence,
    situation: Situation,
    now: datetime,
) -> Row:
    cells = (
        situation.cell(v.pk, evidence.assess(v.pk, space.name, now=now), is_system=space.is_system)
        for v in variants
    )
    place = Place(variants[0].cluster.name if variants else "", space.name, space.labels)
    return Row(space.name, space.team, space.is_system, space.is_terminating, tuple(cells), place)
