"""The readiness matrix: namespaces of one cluster by its variants, filtered and paged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.domain.authority import Place
from policies.domain.readiness import NamespaceVerdict, Verdict
from policies.models import Cluster, ObservedNamespace, Variant
from policies.queries.cells import Cell, CellState, Situation, load_situation
from policies.queries.reach import Reach
from policies.queries.verdicts import verdicts

PAGE_SIZE = 50

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


def load_matrix(cluster: Cluster, wanted: MatrixFilter, *, reach: Reach, now: datetime) -> Matrix:
    """Load one page of the matrix, in a fixed number of queries."""
    variants = list(
        Variant.objects.filter(cluster=cluster).select_related("cluster").order_by("name")
    )
    everything = list(reach.namespaces().filter(cluster=cluster).order_by("name"))
    chosen = [space for space in everything if _lets_through(wanted, space)]
    if wanted.verdict or wanted.stage:
        rows = _rows(chosen, variants, reach=reach, now=now, are_all=True)
        rows = [row for row in rows if any(_matches(wanted, cell) for cell in row.cells)]
        total = len(rows)
        page, pages = _paged(total, wanted.page)
        shown = rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    else:
        total = len(chosen)
        page, pages = _paged(total, wanted.page)
        part = chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        shown = _rows(part, variants, reach=reach, now=now)
    installed = None
    if not shown:
        installed = load_situation(variants, reach=reach, namespaces=()).installed
    return Matrix(
        columns=_columns(variants, shown, installed),
        rows=tuple(shown),
        total_count=total,
        namespace_count=len(everything),
        page=page,
        page_count=pages,
        teams=tuple(sorted({space.team for space in everything if space.team})),
    )


def _paged(total: int, wanted: int) -> tuple[int, int]:
    pages = max(1, -(-total // PAGE_SIZE))
    return min(max(1, wanted), pages), pages


def _lets_through(wanted: MatrixFilter, space: ObservedNamespace) -> bool:
    if space.is_system and not wanted.with_system:
        return False
    if wanted.team and space.team != wanted.team:
        return False
    return wanted.text.lower() in space.name


def _matches(wanted: MatrixFilter, cell: Cell) -> bool:
    if wanted.stage and cell.state not in _STAGES.get(wanted.stage, frozenset()):
        return False
    if not wanted.verdict:
        return True
    # What is enforced already waits for no verdict.
    return cell.verdict.verdict == wanted.verdict and (
        bool(wanted.stage) or cell.state in _STAGES["audit"]
    )


def _rows(
    spaces: Sequence[ObservedNamespace],
    variants: Sequence[Variant],
    *,
    reach: Reach,
    now: datetime,
    are_all: bool = False,
) -> list[Row]:
    names = None if are_all else [space.name for space in spaces]
    judged = verdicts(variants=variants, reach=reach, now=now, namespaces=names)
    situation = load_situation(variants, reach=reach, namespaces=names)
    return [_row(space, variants, judged, situation) for space in spaces]


def _row(
    space: ObservedNamespace,
    variants: Sequence[Variant],
    judged: dict[tuple[int, str], NamespaceVerdict],
    situation: Situation,
) -> Row:
    cells = (
        situation.cell(v.pk, judged[v.pk, space.name], is_system=space.is_system) for v in variants
    )
    place = Place(variants[0].cluster.name if variants else "", space.name, space.labels)
    return Row(space.name, space.team, space.is_system, space.is_terminating, tuple(cells), place)


def _columns(
    variants: Sequence[Variant], rows: Sequence[Row], installed: frozenset[int] | None
) -> tuple[Column, ...]:
    if installed is None:
        installed = frozenset(c.variant_id for c in rows[0].cells if c.is_installed)
    return tuple(Column(v.pk, v.name, v.target, v.pk in installed) for v in variants)
