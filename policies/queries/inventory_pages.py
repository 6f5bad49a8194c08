"""The page "profiles on nodes": sources, profile by node or by pool, what workloads name, what is declared."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from django.db.models import QuerySet

from policies.cluster.gateway import (
    APPARMOR_PROFILES,
    SECCOMP_PROFILES,
    Resource,
)
from policies.domain.controls import Mechanism
from policies.domain.inventory import (
    Inventory,
    Lookup,
    Node,
    OperatorProfile,
    Outcome,
    Pool,
    Reference,
    pool_of,
)
from policies.domain.inventory.declared import declared_values, on_pool
from policies.domain.inventory.operator import value_of
from policies.domain.inventory.verdicts import WORST_FIRST
from policies.models import Cluster, DeclaredPool, DeclaredProfile
from policies.queries.inventory import KindState, build_inventory, kind_states
from policies.queries.inventory_references import (
    ReferenceRow,
    fits,
    judged_references,
    with_users,
)
from policies.queries.reach import Reach

NODES_AS_COLUMNS = 8
"""With more nodes than this a column is a pool."""
PAGE_SIZE = 50
NODES_SHOWN = 20
"""Of one pool, a page."""


@dataclass(frozen=True, slots=True)
class Column:
    """One node, or one pool of them."""

    name: str
    nodes: tuple[Node, ...]
    """Empty for a declared pool whose nodes cannot be read."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one column has of one profile."""

    column: str
    outcome: Outcome
    """The worst of its nodes; those that the profile does not concern are left out."""
    phrase: str
    """Of a single node: its own word."""
    count: int
    """Nodes with this outcome."""
    total: int


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One known profile over all columns."""

    reference: Reference
    state: str
    """As the operator says it; empty for a declared one."""
    mode: str
    is_declared: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class DeclaredLine:
    """One declared profile."""

    id: int
    mechanism: str
    value: str
    declared_by: str
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class PoolCard:
    """One declared pool."""

    id: int
    name: str
    selector: tuple[str, ...]
    apparmor: str
    complete: tuple[str, ...]
    declared_by: str
    declared_at: datetime
    node_count: int | None
    """None while nodes cannot be read."""
    profiles: tuple[DeclaredLine, ...]


@dataclass(frozen=True, slots=True)
class InventoryPage:
    """Everything that the page shows."""

    states: dict[Resource, KindState]
    inventory: Inventory
    columns: tuple[Column, ...]
    is_by_node: bool
    rows: tuple[ProfileRow, ...]
    """The first of them by name."""
    known_count: int
    """All profiles that the operator or a pool names, as far as the text lets them through."""
    references: tuple[ReferenceRow, ...]
    """One page of them, worst first."""
    outcomes: Counter[Outcome]
    """Of all references."""
    page: int
    page_count: int
    cards: tuple[PoolCard, ...]
    is_whole: bool
    """All of the cluster is seen; otherwise the operator's profiles are not counted."""

    @property
    def has_operator(self) -> bool:
        return any(self.states[k].is_served for k in (SECCOMP_PROFILES, APPARMOR_PROFILES))

    @property
    def is_nothing_known(self) -> bool:
        return not self.rows and not self.inventory.pools


@dataclass(frozen=True, slots=True)
class NodeLine:
    """One node of a pool, and what it has of one profile."""

    node: Node
    outcome: Outcome
    phrase: str


@dataclass(frozen=True, slots=True)
class PoolNodes:
    """The nodes of one pool with one profile, a page of them, worst first."""

    reference: Reference
    pool: str
    lines: tuple[NodeLine, ...]
    total_count: int
    page: int
    page_count: int


Loaded = tuple[dict[Resource, KindState], Inventory]
"""What a page and its panel are both drawn from."""


def load(cluster: Cluster, *, now: datetime) -> Loaded:
    """Load what is known of a cluster's kinds and its inventory."""
    states = kind_states(cluster, now=now)
    return states, build_inventory(cluster, states)


def load_page(
    cluster: Cluster, loaded: Loaded, *, reach: Reach, text: str, page: int, now: datetime
) -> InventoryPage:
    """Load the page of one cluster, in a fixed number of queries; `text` narrows it by a profile's name."""
    states, inventory = loaded
    lookup = Lookup(inventory, now)
    columns, is_by_node = _columns(inventory)
    references = judged_references(cluster, lookup, reach, text)
    seen = (one for one in _known(inventory) if _is_seen(one, cluster, reach))
    known = [one for one in seen if fits(one.reference, text)]
    page_count = max(1, ceil(len(references) / PAGE_SIZE))
    shown = min(max(1, page), page_count)
    return InventoryPage(
        states=states,
        inventory=inventory,
        columns=columns,
        is_by_node=is_by_node,
        rows=tuple(_row(lookup, columns, one) for one in known[:PAGE_SIZE]),
        known_count=len(known),
        references=with_users(
            references[(shown - 1) * PAGE_SIZE : shown * PAGE_SIZE], cluster, reach
        ),
        outcomes=Counter(row.verdict.outcome for row, _ in references),
        page=shown,
        page_count=page_count,
        cards=_cards(cluster, inventory),
        is_whole=reach.sees_all_of(cluster.pk),
    )


def load_pool_nodes(
    cluster: Cluster,
    loaded: Loaded,
    reference: Reference,
    pool: str,
    *,
    reach: Reach,
    page: int,
    now: datetime,
) -> PoolNodes:
    """Load the nodes of one pool with what each has of one profile, a page of them, worst first.

    A profile that is not seen is as one that does not exist.
    """
    inventory = _narrowed(loaded[1], cluster, reach)
    lookup = Lookup(inventory, now)
    lines = sorted(
        (
            NodeLine(node, *lookup.on_node(reference, node))
            for node in inventory.nodes or ()
            if pool_of(node, inventory.pools) == pool
        ),
        key=lambda line: (WORST_FIRST.index(line.outcome), line.node.name),
    )
    page_count = max(1, ceil(len(lines) / NODES_SHOWN))
    shown = min(max(1, page), page_count)
    part = tuple(lines[(shown - 1) * NODES_SHOWN : shown * NODES_SHOWN])
    return PoolNodes(reference, pool, part, len(lines), shown, page_count)


# The matrix


def _columns(inventory: Inventory) -> tuple[tuple[Column, ...], bool]:
    """Make the columns, and say whether each is a single node."""
    nodes = inventory.nodes
    if nodes is None:
        return tuple(Column(pool.name, ()) for pool in inventory.pools), False
    if len(nodes) <= NODES_AS_COLUMNS:
        return tuple(Column(node.name, (node,)) for node in nodes), True
    grouped: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        grouped[pool_of(node, inventory.pools)].append(node)
    return tuple(Column(name, tuple(grouped[name])) for name in sorted(grouped)), False


@dataclass(frozen=True, slots=True)
class _Known:
    """A profile that the operator has, or that somebody declares."""

    reference: Reference
    profile: OperatorProfile | None
    is_declared: bool


def _known(inventory: Inventory) -> list[_Known]:
    profiles = inventory.observed.profiles if inventory.observed else ()
    observed = {Reference(p.mechanism, value_of(p)): p for p in profiles}
    declared = {
        Reference(m, value) for m in Mechanism for value in declared_values(m, inventory.pools)
    }
    return [_Known(r, observed.get(r), r in declared) for r in sorted(observed.keys() | declared)]


def _is_seen(known: _Known, cluster: Cluster, reach: Reach) -> bool:
    """Say whether a profile is seen: one of the operator's may lie in a namespace, which its value then names."""
    profile = known.profile
    return (
        known.is_declared
        or not (profile and profile.namespace)
        or reach.sees(cluster.pk, profile.namespace)
    )


def _narrowed(inventory: Inventory, cluster: Cluster, reach: Reach) -> Inventory:
    """Leave out the operator's profiles that are not seen."""
    observed = inventory.observed
    if observed is None or reach.sees_all_of(cluster.pk):
        return inventory
    seen = (p for p in observed.profiles if not p.namespace or reach.sees(cluster.pk, p.namespace))
    return replace(inventory, observed=replace(observed, profiles=tuple(seen)))


def _row(lookup: Lookup, columns: tuple[Column, ...], known: _Known) -> ProfileRow:
    profile = known.profile
    return ProfileRow(
        reference=known.reference,
        state=_state_word(profile),
        mode=profile.mode if profile else "",
        is_declared=known.is_declared,
        cells=tuple(_cell(lookup, known.reference, column) for column in columns),
    )


def _state_word(profile: OperatorProfile | None) -> str:
    return profile.state or "no status yet" if profile else ""


def _cell(lookup: Lookup, reference: Reference, column: Column) -> Cell:
    if not column.nodes:
        pool = next(p for p in lookup.inventory.pools if p.name == column.name)
        outcome, phrase = on_pool(reference, pool)
        return Cell(column.name, outcome, phrase, 0, 0)
    found = [lookup.on_node(reference, node) for node in column.nodes]
    if len(found) == 1:
        return Cell(column.name, *found[0], count=1, total=1)
    counts = Counter(outcome for outcome, _ in found)
    concerned = [outcome for outcome in WORST_FIRST if counts[outcome]]
    worst = concerned[0]
    return Cell(column.name, worst, "", counts[worst], len(found))


# What is declared


def declared_pools(*, reach: Reach) -> QuerySet[DeclaredPool]:
    """Give the pools that are declared for clusters in view."""
    return DeclaredPool.objects.filter(reach.on_clusters()).select_related("cluster")


def declared_profiles(*, reach: Reach) -> QuerySet[DeclaredProfile]:
    """Give the profiles that are declared for clusters in view."""
    found = DeclaredProfile.objects.filter(reach.on_clusters("pool__cluster_id"))
    return found.select_related("pool__cluster")


def _cards(cluster: Cluster, inventory: Inventory) -> tuple[PoolCard, ...]:
    lines: dict[int, list[DeclaredLine]] = defaultdict(list)
    declared = DeclaredProfile.objects.filter(pool__cluster=cluster).select_related("declared_by")
    for row in declared.order_by("mechanism", "value"):
        line = DeclaredLine(
            row.pk, row.mechanism, row.value, row.declared_by.get_username(), row.declared_at
        )
        lines[row.pool_id].append(line)
    pools = {pool.name: pool for pool in inventory.pools}
    rows = DeclaredPool.objects.filter(cluster=cluster).select_related("declared_by")
    return tuple(
        PoolCard(
            id=row.pk,
            name=row.name,
            selector=tuple(f"{key}={value}" for key, value in sorted(row.selector.items())),
            apparmor=row.apparmor,
            complete=tuple(row.complete),
            declared_by=row.declared_by.get_username(),
            declared_at=row.declared_at,
            node_count=_node_count(pools[row.name], inventory),
            profiles=tuple(lines[row.pk]),
        )
        for row in rows.order_by("name")
        if row.name in pools
    )


def _node_count(pool: Pool, inventory: Inventory) -> int | None:
    if inventory.nodes is None:
        return None
    return sum(pool.holds(node) for node in inventory.nodes)
