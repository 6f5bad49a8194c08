"""Catch up: what happened to a cluster since the run before, by a watch of each kind from its stored version.

Its cost follows the change. Kinds with few objects (namespaces, policies, exceptions) are listed again when anything
happened to one of them; workloads and reports are brought up to date object by object. Whatever a watch cannot tell
is listed: a kind whose version is too old (410), or that may not be watched, or that a server gives no version for.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from django.utils import timezone

from policies.actions.changed_reports import ChangedReports, store_changed_reports
from policies.actions.changed_workloads import Changed, changed_trees
from policies.actions.collected_exceptions import (
    READ_VERSIONS,
    read_exception_kind,
    store_exceptions,
)
from policies.actions.collected_namespaces import store_namespaces
from policies.actions.collected_policies import POLICY_KINDS, read_policy_kind, store_policies
from policies.actions.collected_reports import (
    ReadReports,
    counted_groups,
    origins_of,
    read_report_kind,
    store_origins,
)
from policies.actions.collection_work import ENDS_THE_RUN, CaughtUp, CollectionWork
from policies.actions.judging import Panel
from policies.actions.mirror import body_hash, pack
from policies.actions.reading import printable
from policies.actions.report_parts import REPORT_KINDS, Part, ReportReader, report_name
from policies.actions.storing import batches
from policies.cluster.errors import ClusterError
from policies.cluster.gateway import (
    DEPLOYMENTS,
    EXCEPTION_KINDS,
    NAMESPACES,
    WORKLOADS,
    Change,
    ChangeKind,
    Resource,
    WatchEnded,
)
from policies.domain.engines import COMPONENT, Component
from policies.domain.objects import STRUCT_BY_KIND, Namespace, ObjectMeta, Workload, WorkloadKind
from policies.models import KindSnapshot, PostureTally, ReportOrigin, ReportPart, SeenObject
from policies.queries.evidence import HEARD

LIMIT_SECONDS = 20.0
"""How long one catch-up listens to a cluster that does not stop talking; the next one goes on from there."""

FOLLOWED = (NAMESPACES, *POLICY_KINDS, *WORKLOADS, *REPORT_KINDS, *EXCEPTION_KINDS)
"""The kinds that verdicts rest on. Any other one is read when a cluster is listed."""
_COMPONENTS = frozenset(map(str, Component))


class _Headed(msgspec.Struct):
    metadata: ObjectMeta


_HEAD = msgspec.json.Decoder(_Headed)


class ListInstead(Exception):
    """What changed cannot be told apart: the cluster must be listed whole."""


@dataclass(slots=True)
class _Happened:
    """What the watches have told, kind by kind; of each object the last word."""

    changes: dict[Resource, dict[str, Change]] = field(default_factory=dict)
    """By uid, or for a report by its name."""
    versions: dict[Resource, str] = field(default_factory=dict)
    ended: dict[Resource, ClusterError] = field(default_factory=dict)
    is_everything: bool = True
    """False when the cluster had more to say than there was time for."""

    def to_list(self, resource: Resource) -> bool:
        return resource in self.ended

    def of(self, resource: Resource) -> Mapping[str, Change]:
        return self.changes.get(resource, {})


def followed_kinds(cluster_id: int, panel: Panel) -> dict[Resource, str] | None:
    """Say from which version each kind of a cluster may be followed; None when it must be listed first.

    It must when it was never listed to its end, or is to be judged by other judges than before. A kind that the
    cluster does not serve is left out; one without a version has an empty one.
    """
    rows = {row.kind: row for row in KindSnapshot.objects.filter(cluster_id=cluster_id)}
    found: dict[Resource, str] = {}
    for resource in FOLLOWED:
        row = rows.get(resource.full_name)
        if row is None or row.failure or row.completed_at is None:
            return None
        if row.served:
            found[replace(resource, version=row.version)] = row.resource_version
    if not any(found.values()):
        return None
    heard = PostureTally.objects.filter(cluster_id=cluster_id, namespace=HEARD)
    if set(heard.values_list("judge", flat=True)) != {judge.key for judge in panel.judges}:
        return None
    return found


def catch_up(work: CollectionWork, panel: Panel, since: Mapping[Resource, str]) -> CaughtUp:
    """Bring the stored picture up to date. Raises ListInstead, ClusterError, RunLost."""
    happened = _listen(work, since)
    _list_small_kinds(work, happened)
    changed = _changed_workloads(work, happened)
    reports = _changed_reports(work, happened)
    counted = _counted_groups(work, reports)
    trees = changed_trees(work, panel, changed)
    # Reports first: each of their rows says what was known of its object when it was counted, so that a run that
    # dies before the workloads are stored is repeated without a trace.
    gone = store_changed_reports(work, reports, moved=trees.moved, counted=counted)
    trees.store()
    _mark(work, since, happened)
    return CaughtUp(dict(work.counts), frozenset(gone), happened.is_everything)


def _listen(work: CollectionWork, since: Mapping[Resource, str]) -> _Happened:
    happened = _Happened()
    watched = {resource: version for resource, version in since.items() if version}
    for resource in since.keys() - watched.keys():
        happened.ended[resource] = ClusterError("The server gives no version to go on from.")
    began = time.monotonic()
    for said in work.gateway.changes(watched, limit_seconds=LIMIT_SECONDS):
        if isinstance(said, WatchEnded):
            if isinstance(said.error, ENDS_THE_RUN):
                raise said.error
            happened.ended[said.resource] = said.error
            continue
        happened.versions[said.resource] = said.resource_version
        if said.kind is not ChangeKind.BOOKMARK:
            key = _key(said)
            happened.changes.setdefault(said.resource, {})[key] = said
        work.beat()
    happened.is_everything = time.monotonic() - began < LIMIT_SECONDS
    return happened


def _key(change: Change) -> str:
    try:
        meta = _HEAD.decode(change.item).metadata
    except msgspec.MsgspecError as error:
        raise ListInstead(f"{change.resource.full_name}: {error}") from error
    if change.resource.group in {kind.group for kind in REPORT_KINDS}:
        return report_name(change.resource, meta)
    return meta.uid


def _list_small_kinds(work: CollectionWork, happened: _Happened) -> None:
    """List again, whole, each kind with few objects to which anything happened."""
    for resource in {*happened.changes, *happened.ended}:
        if resource.full_name == NAMESPACES.full_name:
            namespaces = work.read_kind(resource, msgspec.json.Decoder(Namespace).decode)
            if namespaces is not None:
                store_namespaces(work, namespaces, None)
        elif resource.full_name in {kind.full_name for kind in POLICY_KINDS}:
            policies = read_policy_kind(work, resource)
            if policies is not None:
                store_policies(work, resource, policies)
        elif resource.group in READ_VERSIONS:
            store_exceptions(work, {resource: read_exception_kind(work, resource)})


def _changed_workloads(work: CollectionWork, happened: _Happened) -> Changed:
    changed: dict[str, tuple[WorkloadKind, Workload] | None] = {}
    for resource in WORKLOADS:
        kind = WorkloadKind(resource.kind)
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(STRUCT_BY_KIND[kind]).decode
        if happened.to_list(resource):
            listed = work.read_kind(resource, decode)
            if listed is None:
                continue
            there = {workload.metadata.uid: (kind, workload) for workload in listed}
            known = SeenObject.objects.filter(cluster=work.cluster, kind=kind)
            gone = set(known.values_list("uid", flat=True)) - there.keys()
            changed.update({**there, **dict.fromkeys(gone)})
            work.mark(resource)
            continue
        for uid, change in happened.of(resource).items():
            try:
                workload = decode(printable(change.item))
            except (msgspec.MsgspecError, ValueError) as error:
                raise ListInstead(f"{resource.full_name}: {error}") from error
            if resource == DEPLOYMENTS and _is_of_the_engine(workload):
                raise ListInstead("The engine itself changed.")
            changed[uid] = None if change.kind is ChangeKind.REMOVED else (kind, workload)
    return _really_changed(work, changed)


def _is_of_the_engine(workload: Workload) -> bool:
    return (workload.metadata.labels or {}).get(COMPONENT) in _COMPONENTS


def _really_changed(work: CollectionWork, changed: Changed) -> Changed:
    """Leave out what is judged as before: most events of a cluster tell of a status."""
    left = dict(changed)
    seen = SeenObject.objects.filter(cluster=work.cluster)
    for uids in batches(sorted(changed)):
        known = dict(seen.filter(uid__in=uids).values_list("uid", "content_hash"))
        for uid in uids:
            found = changed[uid]
            said = known.get(uid)
            if (found is None and said is None) or (found and said == body_hash(pack(found[1]))):
                del left[uid]
    return left


def _changed_reports(work: CollectionWork, happened: _Happened) -> ChangedReports:
    reader = ReportReader()
    changed: dict[str, tuple[Part, ...]] = {}
    for resource in REPORT_KINDS:
        if happened.to_list(resource):
            read = ReadReports()
            if not read_report_kind(work, resource, read):
                continue
            by_report: dict[str, list[Part]] = {}
            for part in read.parts.values():
                by_report.setdefault(part.report, []).append(part)
            known = ReportPart.objects.filter(
                cluster=work.cluster, report__startswith=f"{resource.full_name}/"
            )
            gone = set(known.values_list("report", flat=True)) - by_report.keys()
            changed.update({name: tuple(parts) for name, parts in by_report.items()})
            changed.update(dict.fromkeys(gone, ()))
            work.mark(resource)
            continue
        for name, change in happened.of(resource).items():
            changed[name] = ()
            if change.kind is ChangeKind.PUT:
                try:
                    _, changed[name] = reader.read(resource, printable(change.item))
                except (msgspec.MsgspecError, ValueError) as error:
                    work.problems.add(resource, change.item, str(error))
    return changed


def _counted_groups(work: CollectionWork, reports: ChangedReports) -> Mapping[str, str]:
    """Say which group of the report API counts for each source. Raises ListInstead when it is another one now."""
    rows = ReportOrigin.objects.filter(cluster=work.cluster)
    known = {
        (row.group, row.source): int(row.newest_at.timestamp()) if row.newest_at else 0
        for row in rows
    }
    before = {row.source: row.group for row in rows if row.is_counted}
    origins = dict(known)
    for origin, seconds in origins_of(p for parts in reports.values() for p in parts).items():
        origins[origin] = max(origins.get(origin, 0), seconds)
    counted = counted_groups(origins)
    for source, group in before.items():
        if counted[source] != group:
            raise ListInstead(f"The freshest results of {source} are in {counted[source]} now.")
    if origins != known:
        store_origins(work, origins, counted)
    return counted


def _mark(work: CollectionWork, since: Mapping[Resource, str], happened: _Happened) -> None:
    """Note how far each kind was followed; last, so that whatever was not stored is told again."""
    now = timezone.now()
    work.hold(now)
    rows = KindSnapshot.objects.filter(cluster=work.cluster)
    for resource in since:
        if resource not in happened.ended and resource in happened.versions:
            rows.filter(kind=resource.full_name).update(
                resource_version=happened.versions[resource]
            )
    followed = [resource.full_name for resource in since if resource not in happened.ended]
    work.stored_kinds += followed
    if happened.is_everything:
        rows.filter(kind__in=followed).update(completed_at=work.run.started_at, run=work.run)
    work.release_versions()
    for resource, changes in happened.changes.items():
        work.counts[resource.full_name] = len(changes)
