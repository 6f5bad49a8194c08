"""The kinds that tell which profiles lie on which nodes, read after all others; no flip rests on them.

What cannot be read of them is noted on its kind and leaves the run as complete as it was.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from django.utils import timezone

from policies.actions.collection_work import ENDS_THE_RUN, CollectionWork
from policies.actions.judging import Seen
from policies.actions.reading import read_list
from policies.actions.snapshots import Snapshot
from policies.actions.storing import Fields, Key, content_hash, replace_rows
from policies.cluster.errors import ClusterError, NotFound
from policies.cluster.gateway import (
    APPARMOR_PROFILES,
    NODES,
    OPERATOR_DAEMONS,
    PROFILE_NODE_STATUSES,
    SECCOMP_PROFILES,
    Gateway,
    Resource,
)
from policies.domain.controls import Mechanism
from policies.domain.inventory import (
    Node,
    NodeStatus,
    OperatorProfile,
    OperatorSettings,
    placement_fields,
)
from policies.domain.inventory.reading import (
    read_node,
    read_node_status,
    read_profile,
    read_settings,
)
from policies.domain.ownership import Top
from policies.models import (
    ObservedNode,
    ObservedOperator,
    ObservedProfile,
    ObservedProfileStatus,
    ReferencedProfile,
)

OLDER_VERSIONS = ("v1beta1", "v1alpha1")
"""Of the operator's kinds, newest first; 1.0 serves v1 beside them."""
STATE_LENGTH = 20
TEXT_LENGTH = 253
VERSION_LENGTH = 63


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind: how an item is read, and how all of them are stored."""

    resource: Resource
    decode: Callable[[bytes], Any]
    store: Callable[[CollectionWork, Iterable[Any]], None]


def collect_profiles(work: CollectionWork) -> None:
    """Read the nodes and the operator's kinds.

    What the cluster does wrong is noted, not raised. Raises RunLost.
    """
    broken = work.broken_by
    for kind in _KINDS:
        try:
            if broken is not None:
                raise broken
            items = _read(work, kind)
        except ClusterError as error:
            broken = error if isinstance(error, ENDS_THE_RUN) else None
            work.mark_failed(kind.resource, error.message)
            continue
        work.hold(timezone.now())
        kind.store(work, items)
        work.mark(kind.resource)


def _read(work: CollectionWork, kind: _Kind) -> list[Any]:
    """Read one kind whole, in the newest version that is served; nothing when none is. Raises ClusterError."""
    name = kind.resource.full_name
    resource = _served(work.gateway, kind.resource)
    try:
        if resource is None:
            raise NotFound(f"{name} is not served.")
        items = read_list(
            work.gateway, resource, kind.decode, work.problems, on_page=work.beat
        ).items
    except NotFound:
        work.unserved_kinds.add(name)
        return []
    work.counts[name] = len(items)
    return items


def _served(gateway: Gateway, resource: Resource) -> Resource | None:
    """Find a version that is served. Who may not read a kind is refused whether it exists or not: so ask first."""
    if not resource.group:
        return resource
    for version in (resource.version, *OLDER_VERSIONS):
        asked = Resource(
            resource.group, version, resource.plural, resource.kind, resource.namespaced
        )
        if gateway.serves(asked):
            return asked
    return None


def _store_nodes(work: CollectionWork, nodes: Iterable[Node]) -> None:
    rows: dict[Key, Fields] = {}
    for node in nodes:
        fields: Fields = {
            "labels": dict(node.labels),
            "taints": [asdict(taint) for taint in node.taints],
            "os": node.os[:STATE_LENGTH],
            "os_image": node.os_image[:TEXT_LENGTH],
            "is_ready": node.is_ready,
            "created_at": node.created_at,
            "kubelet_version": node.kubelet_version[:VERSION_LENGTH],
            "runtime": node.runtime[:VERSION_LENGTH],
        }
        rows[(node.name,)] = _hashed(fields)
    replace_rows(
        ObservedNode, scope=work.scope, key=("name",), compared=("content_hash",), rows=rows
    )


def _store_profiles(
    mechanism: Mechanism, work: CollectionWork, profiles: Iterable[OperatorProfile]
) -> None:
    rows: dict[Key, Fields] = {}
    for profile in profiles:
        fields: Fields = {
            "state": profile.state[:STATE_LENGTH],
            "mode": profile.mode,
            "is_partial": profile.is_partial,
            "is_disabled": profile.is_disabled,
            "is_deleting": profile.is_deleting,
            "localhost_value": profile.localhost_value,
            "created_at": profile.created_at,
        }
        rows[(profile.namespace, profile.name)] = _hashed(fields)
    replace_rows(
        ObservedProfile,
        scope={**work.scope, "mechanism": mechanism.value},
        key=("namespace", "name"),
        compared=("content_hash",),
        rows=rows,
    )


def _store_statuses(work: CollectionWork, statuses: Iterable[NodeStatus | None]) -> None:
    rows: dict[Key, Fields] = {
        (status.mechanism.value, status.namespace, status.profile, status.node): {
            "state": status.state[:STATE_LENGTH]
        }
        for status in statuses
        if status is not None
    }
    replace_rows(
        ObservedProfileStatus,
        scope=work.scope,
        key=("mechanism", "namespace", "profile", "node"),
        compared=("state",),
        rows=rows,
    )


def _store_settings(work: CollectionWork, settings: Iterable[OperatorSettings]) -> None:
    rows: dict[Key, Fields] = {
        (one.namespace, one.name): {
            "state": one.state[:STATE_LENGTH],
            "enables_apparmor": one.enables_apparmor,
        }
        for one in settings
    }
    replace_rows(
        ObservedOperator,
        scope=work.scope,
        key=("namespace", "name"),
        compared=("state", "enables_apparmor"),
        rows=rows,
    )


_KINDS = (
    _Kind(NODES, read_node, _store_nodes),
    _Kind(
        SECCOMP_PROFILES,
        partial(read_profile, Mechanism.SECCOMP),
        partial(_store_profiles, Mechanism.SECCOMP),
    ),
    _Kind(
        APPARMOR_PROFILES,
        partial(read_profile, Mechanism.APPARMOR),
        partial(_store_profiles, Mechanism.APPARMOR),
    ),
    _Kind(PROFILE_NODE_STATUSES, read_node_status, _store_statuses),
    _Kind(OPERATOR_DAEMONS, read_settings, _store_settings),
)


def store_references(work: CollectionWork, snapshot: Snapshot, tops: Mapping[str, Top]) -> None:
    """Replace what workloads name of profiles."""
    work.hold(timezone.now())
    replace_rows(
        ReferencedProfile,
        scope=work.scope,
        key=("workload_uid", "container", "mechanism"),
        compared=("content_hash",),
        rows=reference_rows(snapshot, tops),
    )


def reference_rows(snapshot: Snapshot, tops: Mapping[str, Top]) -> dict[Key, Fields]:
    """Make the rows of ReferencedProfile by (uid, container, mechanism).

    What a top-level workload names stands under its uid; what only an object below it names (a webhook has set it)
    stands once, under the uid of the first of them. Both carry name and placement of the top.
    """
    by_uid = {seen.uid: seen for seen in snapshot.seen}
    owners_first = sorted(
        (seen for seen in snapshot.seen if seen.named and not seen.is_idle_revision),
        key=lambda seen: (tops[seen.uid].uid != seen.uid, seen.namespace, seen.name),
    )
    rows: dict[Key, Fields] = {}
    told: set[Key] = set()
    for seen in owners_first:
        top = by_uid[tops[seen.uid].uid]
        for named in seen.named:
            fact = (top.uid, named.container, named.reference)
            if fact not in told:
                told.add(fact)
                key = (seen.uid, named.container, named.reference.mechanism.value)
                rows[key] = _reference_fields(top, seen, named.reference.value)
    return rows


def _reference_fields(top: Seen, seen: Seen, value: str) -> Fields:
    # A running pod says where it is; the next one in its place may go elsewhere.
    placement = top.placement if top.named else replace(seen.placement, node_name="")
    return _hashed(
        {
            "kind": top.kind.value,
            "namespace": top.namespace,
            "workload": top.name,
            "value": value,
            "placement": placement_fields(placement),
        }
    )


def _hashed(fields: Fields) -> Fields:
    plain = {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in fields.items()
    }
    return {**fields, "content_hash": content_hash(plain)}
