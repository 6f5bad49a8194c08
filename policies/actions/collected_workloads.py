"""Workloads: the nine kinds that hold a pod spec, judged one by one as they are read, and stored with their tallies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from django.utils import timezone

from policies.actions.collected_denials import noting_refusals
from policies.actions.collection_work import CollectionWork
from policies.actions.judging import Panel, Seen
from policies.actions.snapshots import POSTURE_COLUMNS, Snapshot
from policies.actions.storing import Fields, Key, replace_rows
from policies.cluster.gateway import WORKLOADS
from policies.domain.engines import (
    COMPONENT,
    Component,
    ControllerSettings,
    Engine,
    find_engine,
    read_settings,
)
from policies.domain.objects import STRUCT_BY_KIND, Controller, WorkloadKind
from policies.domain.ownership import Top
from policies.models import ObservedWorkload, PostureTally, SeenObject

BELOW: dict[WorkloadKind, frozenset[WorkloadKind]] = {
    WorkloadKind.DEPLOYMENT: frozenset({WorkloadKind.REPLICA_SET, WorkloadKind.POD}),
    WorkloadKind.CRON_JOB: frozenset({WorkloadKind.JOB, WorkloadKind.POD}),
    WorkloadKind.POD_TEMPLATE: frozenset(),
    WorkloadKind.POD: frozenset(),
}
"""What a kind may own; all others own pods. While an owner is unknown, what it owns would look like a workload of
its own."""

MIRROR_COLUMNS = ("content_hash", "top_uid")
"""Of a SeenObject: when these are as before, the object is."""
_COMPONENTS = frozenset(map(str, Component))


@dataclass(slots=True)
class Engines:
    """What was found of the engine among the Deployments of a cluster."""

    found: list[Engine] = field(default_factory=list)
    controllers: list[ControllerSettings] = field(default_factory=list)


def read_workloads(work: CollectionWork, panel: Panel) -> tuple[Snapshot, Engines | None]:
    """Read the nine kinds, and find the engine among them; None when Deployments were not read to their end."""
    snapshot = Snapshot(skipped=work.problems.skipped)
    engines = Engines()
    for resource in WORKLOADS:
        kind = WorkloadKind(resource.kind)
        decoder = msgspec.json.Decoder(STRUCT_BY_KIND[kind])
        decode = partial(_decode, panel, kind, decoder, engines)
        found = work.read_kind(resource, noting_refusals(work, kind, decode))
        if found is None:
            snapshot.missing_kinds |= {kind} | BELOW.get(kind, frozenset({WorkloadKind.POD}))
        else:
            snapshot.seen += found
    return snapshot, None if WorkloadKind.DEPLOYMENT in snapshot.missing_kinds else engines


def _decode(
    panel: Panel,
    kind: WorkloadKind,
    decoder: msgspec.json.Decoder[Any],
    engines: Engines,
    item: bytes,
) -> Seen:
    workload = decoder.decode(item)
    if kind is WorkloadKind.DEPLOYMENT and isinstance(workload, Controller):
        engine = find_engine(workload)
        if engine is not None:
            engines.found.append(engine)
        if (workload.metadata.labels or {}).get(COMPONENT) in _COMPONENTS:
            settings = read_settings(msgspec.json.decode(item))
            engines.controllers += [settings] if settings else []
    return panel.see(kind, workload)


def store_workloads(
    work: CollectionWork, snapshot: Snapshot, tops: Mapping[str, Top], panel: Panel
) -> None:
    """Replace the workloads of each kind that was read to its end, and the tallies when all were."""
    rows = _by_kind(snapshot.rows(tops, _known_pod_counts(work, snapshot)))
    mirrored = _by_kind(snapshot.mirror_rows(tops))
    whole = [r for r in WORKLOADS if WorkloadKind(r.kind) not in snapshot.missing_kinds]
    for resource in whole:
        scope: Fields = {**work.scope, "kind": resource.kind}
        work.hold(timezone.now())
        replace_rows(
            ObservedWorkload,
            scope=scope,
            key=("uid",),
            compared=("content_hash",),
            rows=rows[resource.kind],
        )
        replace_rows(
            SeenObject,
            scope=scope,
            key=("uid",),
            compared=MIRROR_COLUMNS,
            rows=mirrored[resource.kind],
        )
    if snapshot.is_whole:
        replace_rows(
            PostureTally,
            scope=work.scope,
            key=("namespace", "judge"),
            compared=POSTURE_COLUMNS,
            rows=snapshot.posture_tallies(tops, panel.judges),
        )
    for resource in whole:
        work.mark(resource)


def _by_kind(rows: Mapping[Key, Fields]) -> dict[str, dict[Key, Fields]]:
    by_kind: dict[str, dict[Key, Fields]] = {kind.value: {} for kind in WorkloadKind}
    for key, fields in rows.items():
        by_kind[fields.pop("kind")][key] = fields
    return by_kind


def _known_pod_counts(work: CollectionWork, snapshot: Snapshot) -> Mapping[str, int] | None:
    """While pods cannot be read, the numbers of before stand; None when they were read."""
    if WorkloadKind.POD not in snapshot.missing_kinds:
        return None
    rows = ObservedWorkload.objects.filter(cluster=work.cluster, pod_count__gt=0)
    return dict(rows.values_list("uid", "pod_count"))
