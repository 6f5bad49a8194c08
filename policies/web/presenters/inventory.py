"""Profiles on nodes in words: where the facts come from, each cell, and each verdict."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from policies.cluster.gateway import (
    APPARMOR_PROFILES,
    NODES,
    PROFILE_NODE_STATUSES,
    SECCOMP_PROFILES,
    Resource,
)
from policies.domain.inventory import Outcome, Verdict
from policies.domain.inventory.reading import COMPLAIN
from policies.domain.inventory.verdicts import WORST_FIRST
from policies.queries.inventory import KindState
from policies.queries.inventory_pages import (
    Cell,
    Column,
    InventoryPage,
    PoolNodes,
    ProfileRow,
)
from policies.queries.inventory_references import ReferenceRow, User
from policies.web.inventory_forms import MECHANISM_TITLES
from policies.web.words import count_of, listed

TAINTS_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts come from, and how well they are known."""

    title: str
    status: str
    sentence: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """The head of a column."""

    name: str
    note: str


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell with its words, and the address of its nodes where it stands for several."""

    column: str
    status: str
    note: str
    query: str


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A profile with its words."""

    mechanism: str
    value: str
    note: str
    cells: tuple[ShownCell, ...]


@dataclass(frozen=True, slots=True)
class ShownReference:
    """A profile that workloads name, with its verdict in words."""

    mechanism: str
    value: str
    status: str
    reason: str
    hint: str
    users: tuple[User, ...]
    """The first few."""
    user_count: int
    hidden_count: int


@dataclass(frozen=True, slots=True)
class ShownNode:
    """A node of a pool in words."""

    name: str
    note: str
    status: str
    phrase: str
    joined_at: datetime | None


def sources(page: InventoryPage) -> tuple[Source, ...]:
    """Say where the facts of the page come from."""
    return (_nodes_source(page.states[NODES]), _operator_source(page), _declared_source(page))


def _nodes_source(state: KindState) -> Source:
    if state.gap:
        return Source("Nodes", "gap", state.failure or state.gap)
    return Source("Nodes", "known", count_of(state.object_count, "node"), state.read_at)


def _operator_source(page: InventoryPage) -> Source:
    title = "Security Profiles Operator"
    if not page.has_operator:
        return Source(title, "unserved", "")
    observed = page.inventory.observed
    if observed and observed.gaps:
        kinds = (PROFILE_NODE_STATUSES, SECCOMP_PROFILES, APPARMOR_PROFILES)
        said = (page.states[kind].failure or page.states[kind].gap for kind in kinds)
        gaps = [sentence for sentence in said if sentence] or sorted(observed.gaps.values())
        return Source(title, "gap", gaps[0])
    counts = (
        f"{_count(page.states, SECCOMP_PROFILES)} for seccomp",
        f"{_count(page.states, APPARMOR_PROFILES)} for AppArmor",
    )
    switched = "; its AppArmor is switched off" if _is_apparmor_off(page) else ""
    profiles = f"Profiles: {' and '.join(counts)}" if page.is_whole else "Profiles are read"
    sentence = f"{profiles}{switched}"
    return Source(title, "known", sentence, page.states[PROFILE_NODE_STATUSES].read_at)


def _count(states: Mapping[Resource, KindState], kind: Resource) -> int:
    return states[kind].object_count


def _is_apparmor_off(page: InventoryPage) -> bool:
    observed = page.inventory.observed
    return observed is not None and observed.enables_apparmor is False


def _declared_source(page: InventoryPage) -> Source:
    if not page.cards:
        return Source("Declared by admins", "none", "")
    newest = max(card.declared_at for card in page.cards)
    stand_in = ", taken for the whole cluster" if page.inventory.nodes is None else ""
    sentence = f"{count_of(len(page.cards), 'pool')}{stand_in}"
    return Source("Declared by admins", "declared", sentence, newest)


def shown_columns(page: InventoryPage) -> tuple[ShownColumn, ...]:
    """Word the head of each column."""
    return tuple(ShownColumn(c.name, _column_note(c, page=page)) for c in page.columns)


def _column_note(column: Column, *, page: InventoryPage) -> str:
    if page.is_by_node:
        return node_note(column)
    return count_of(len(column.nodes), "node") if column.nodes else "declared pool"


def node_note(column: Column) -> str:
    """Say what is special about the only node of a column."""
    node = column.nodes[0]
    if not node.is_linux:
        return "Windows"
    taints = tuple(taint.key for taint in node.taints)
    if taints:
        return f"taint {listed(taints, limit=TAINTS_SHOWN)}"
    return "not ready" if node.is_ready is False else ""


def shown_rows(page: InventoryPage, cluster: str) -> tuple[ShownRow, ...]:
    """Word every row of the matrix."""
    return tuple(
        ShownRow(
            mechanism=MECHANISM_TITLES[row.reference.mechanism],
            value=row.reference.value,
            note=_row_note(row),
            cells=tuple(
                _shown_cell(cell, column, row, cluster=cluster)
                for cell, column in zip(row.cells, page.columns, strict=True)
            ),
        )
        for row in page.rows
    )


def _row_note(row: ProfileRow) -> str:
    parts = [f"operator says {row.state}"] if row.state else []
    if row.mode == COMPLAIN:
        parts.append("Complain mode")
    if row.is_declared:
        parts.append("declared")
    return ", ".join(parts)


def _shown_cell(cell: Cell, column: Column, row: ProfileRow, *, cluster: str) -> ShownCell:
    has_many = len(column.nodes) > 1
    query = {
        "cluster": cluster,
        "mechanism": row.reference.mechanism.value,
        "profile": row.reference.value,
        "pool": column.name,
    }
    return ShownCell(
        column=column.name,
        status=_cell_status(cell.outcome, cell.phrase, row),
        note=_cell_note(cell),
        query=urlencode(query) if has_many else "",
    )


def _cell_status(outcome: Outcome, phrase: str, row: ProfileRow) -> str:
    if outcome is not Outcome.PASS:
        return outcome.value
    if phrase == "declared" or not row.state:
        return "declared"
    return "weak" if row.mode == COMPLAIN else "installed"


def _cell_note(cell: Cell) -> str:
    if cell.total > 1:
        return f"{cell.count:,} of {cell.total:,}"
    is_said = cell.outcome is Outcome.PASS or cell.outcome is Outcome.NOT_APPLICABLE
    return "" if is_said else cell.phrase


def shown_references(page: InventoryPage) -> tuple[ShownReference, ...]:
    """Word every profile that workloads name."""
    return tuple(_shown_reference(row) for row in page.references)


def _shown_reference(row: ReferenceRow) -> ShownReference:
    return ShownReference(
        mechanism=MECHANISM_TITLES[row.reference.mechanism],
        value=row.reference.value,
        status=verdict_status(row.verdict),
        reason=row.verdict.reason,
        hint=row.verdict.hint,
        users=row.users,
        user_count=row.user_count,
        hidden_count=row.user_count - len(row.users),
    )


def verdict_status(verdict: Verdict) -> str:
    """Name the mark of a verdict."""
    return "weak" if verdict.is_weak else verdict.outcome.value


def tally(outcomes: Counter[Outcome]) -> tuple[tuple[str, int], ...]:
    """List how many references have each outcome, worst first."""
    return tuple((o.value, outcomes[o]) for o in WORST_FIRST if outcomes[o])


def shown_nodes(found: PoolNodes) -> tuple[ShownNode, ...]:
    """Word each node of a pool."""
    return tuple(
        ShownNode(
            name=line.node.name,
            note=node_note(Column(line.node.name, (line.node,))),
            status="installed" if line.outcome is Outcome.PASS else line.outcome.value,
            phrase="" if line.outcome is Outcome.PASS else line.phrase,
            joined_at=line.node.created_at,
        )
        for line in found.lines
    )
