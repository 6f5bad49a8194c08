"""Profiles on nodes, loaded from rows: the inventory that the domain judges by, and the list for policies.

What a failed or old read left behind is not known any more: it becomes a gap with its reason, never an answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from policies.cluster.gateway import (
    APPARMOR_PROFILES,
    NODES,
    OPERATOR_DAEMONS,
    PROFILE_KINDS,
    PROFILE_NODE_STATUSES,
    SECCOMP_PROFILES,
    Resource,
)
from policies.domain.controls import Mechanism
from policies.domain.inventory import (
    Availability,
    Inventory,
    Node,
    Observed,
    OperatorProfile,
    Pool,
    Reference,
    Taint,
    installed_references,
)
from policies.models import (
    Cluster,
    DeclaredPool,
    DeclaredProfile,
    KindSnapshot,
    ObservedNode,
    ObservedOperator,
    ObservedProfile,
    ObservedProfileStatus,
)
from policies.queries.freshness import SnapshotState, snapshot_state

KIND_OF = {Mechanism.SECCOMP: SECCOMP_PROFILES, Mechanism.APPARMOR: APPARMOR_PROFILES}


@dataclass(frozen=True, slots=True)
class KindState:
    """How well one kind is known."""

    state: SnapshotState
    read_at: datetime | None
    object_count: int
    gap: str
    """Why it is not known; empty when it is, and when the cluster does not serve it."""
    failure: str = ""
    """The whole of what the last read met."""

    @property
    def is_served(self) -> bool:
        """Not served is the only thing that counts as no: whatever is not known may be there."""
        return self.state is not SnapshotState.UNSERVED


def load_inventory(cluster: Cluster, *, now: datetime) -> Inventory:
    """Load what is known of profiles on one cluster's nodes, in a fixed number of queries."""
    return build_inventory(cluster, kind_states(cluster, now=now))


def build_inventory(cluster: Cluster, states: Mapping[Resource, KindState]) -> Inventory:
    """Load an inventory whose kinds have been looked at already."""
    nodes = states[NODES]
    return Inventory(
        nodes=None if nodes.gap else _nodes(cluster),
        nodes_gap=nodes.gap,
        observed=_observed(cluster, states),
        pools=_pools(cluster),
    )


def installed(cluster: Cluster, *, now: datetime) -> dict[Mechanism, tuple[str, ...] | None]:
    """Name what is installed on every node that takes a plain pod; None where no inventory is complete."""
    inventory = load_inventory(cluster, now=now)
    return {m: installed_references(inventory, m, now=now) for m in Mechanism}


def kind_states(cluster: Cluster, *, now: datetime) -> dict[Resource, KindState]:
    """Say how well each kind that tells of profiles is known, in one query."""
    names = {kind.full_name: kind for kind in PROFILE_KINDS}
    rows = KindSnapshot.objects.filter(cluster=cluster, kind__in=names)
    found = {names[row.kind]: row for row in rows}
    return {kind: _kind_state(kind, found.get(kind), now=now) for kind in PROFILE_KINDS}


def _kind_state(kind: Resource, row: KindSnapshot | None, *, now: datetime) -> KindState:
    name = kind.plural
    if row is None:
        return KindState(SnapshotState.NEVER, None, 0, f"{name} were not read yet.")
    state = snapshot_state(row, now=now)
    gaps = {
        SnapshotState.NEVER: f"{name} were not read yet.",
        SnapshotState.FAILED: f"{name} could not be read: {_first_clause(row.failure)}.",
        SnapshotState.OLD: f"{name} were last read too long ago to rely on.",
    }
    return KindState(
        state, row.completed_at, row.object_count, gaps.get(state, ""), failure=row.failure
    )


def _first_clause(failure: str) -> str:
    """Cut a failure to what a verdict can carry; what the server said word for word stands in the whole."""
    clause = failure.partition(": ")[0].rstrip(".")
    return clause[:1].lower() + clause[1:]


def _nodes(cluster: Cluster) -> tuple[Node, ...]:
    rows = ObservedNode.objects.filter(cluster=cluster).order_by("name").iterator(chunk_size=2000)
    return tuple(
        Node(
            name=row.name,
            labels=row.labels,
            taints=tuple(Taint(**taint) for taint in row.taints),
            os=row.os,
            os_image=row.os_image,
            is_ready=row.is_ready,
            created_at=row.created_at,
            kubelet_version=row.kubelet_version,
            runtime=row.runtime,
        )
        for row in rows
    )


def _observed(cluster: Cluster, states: Mapping[Resource, KindState]) -> Observed | None:
    missing = frozenset(m for m, kind in KIND_OF.items() if not states[kind].is_served)
    if missing == frozenset(Mechanism):
        return None
    settings = [] if states[OPERATOR_DAEMONS].gap else list(_settings(cluster))
    return Observed(
        profiles=_profiles(cluster),
        statuses=_statuses(cluster),
        enables_apparmor=any(settings) if settings else None,
        gaps={m: gap for m in Mechanism if m not in missing and (gap := _gap(m, states))},
        missing=missing,
    )


def _gap(mechanism: Mechanism, states: Mapping[Resource, KindState]) -> str:
    statuses = states[PROFILE_NODE_STATUSES]
    if not statuses.is_served:
        return f"{PROFILE_NODE_STATUSES.full_name} are not served, so no node says what it has."
    return states[KIND_OF[mechanism]].gap or statuses.gap


def _settings(cluster: Cluster) -> Iterable[bool]:
    return ObservedOperator.objects.filter(cluster=cluster).values_list(
        "enables_apparmor", flat=True
    )


def _profiles(cluster: Cluster) -> tuple[OperatorProfile, ...]:
    rows = ObservedProfile.objects.filter(cluster=cluster).order_by("namespace", "name")
    return tuple(
        OperatorProfile(
            mechanism=Mechanism(row.mechanism),
            name=row.name,
            namespace=row.namespace,
            state=row.state,
            mode=row.mode,
            is_partial=row.is_partial,
            is_disabled=row.is_disabled,
            is_deleting=row.is_deleting,
            localhost_value=row.localhost_value,
            created_at=row.created_at,
        )
        for row in rows
    )


def _statuses(cluster: Cluster) -> dict[tuple[Mechanism, str, str], dict[str, str]]:
    rows = ObservedProfileStatus.objects.filter(cluster=cluster).values_list(
        "mechanism", "namespace", "profile", "node", "state"
    )
    # As many rows as there are nodes times profiles: words become what they mean once a profile.
    statuses: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for mechanism, namespace, profile, node, state in rows.iterator(chunk_size=5000):
        statuses[mechanism, namespace, profile][node] = state
    return {
        (Mechanism(mechanism), namespace, profile): nodes
        for (mechanism, namespace, profile), nodes in statuses.items()
    }


def _pools(cluster: Cluster) -> tuple[Pool, ...]:
    profiles: dict[int, set[Reference]] = defaultdict(set)
    declared = DeclaredProfile.objects.filter(pool__cluster=cluster)
    for pool_id, mechanism, value in declared.values_list("pool_id", "mechanism", "value"):
        profiles[pool_id].add(Reference(Mechanism(mechanism), value))
    return tuple(
        Pool(
            name=row.name,
            selector=row.selector,
            apparmor=Availability(row.apparmor),
            profiles=frozenset(profiles[row.pk]),
            complete=frozenset(Mechanism(mechanism) for mechanism in row.complete),
        )
        for row in DeclaredPool.objects.filter(cluster=cluster).order_by("name")
    )
