"""The kinds that a collection reads, and how each becomes rows. The run itself is in `collection.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.utils import timezone

from policies.actions.engine import VERSION_LENGTH, note_contact, note_engine
from policies.actions.reading import Problems, kind_name, read_items
from policies.actions.snapshots import POSTURE_COLUMNS, ResultSnapshot, Seen, Snapshot, see
from policies.actions.specs import policy_resource
from policies.actions.storing import Fields, Key, content_hash, replace_rows
from policies.cluster.errors import (
    ClusterError,
    NotFound,
    TimedOut,
    TlsFailed,
    Unauthorized,
    Unreachable,
)
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    CLUSTER_POLICY_REPORTS,
    NAMESPACES,
    NATIVE_POLICIES,
    POLICY_REPORTS,
    VALIDATING_POLICIES,
    WORKLOADS,
    Gateway,
    Manifest,
    Resource,
)
from policies.domain.engines import Engine, find_engine, is_system_namespace
from policies.domain.library import API_VERSIONS, TEMPLATES, Target
from policies.domain.objects import (
    STRUCT_BY_KIND,
    Controller,
    Namespace,
    PolicyReport,
    WorkloadKind,
)
from policies.domain.observed import ObservedPolicy as PolicyRecord
from policies.domain.observed import read_policy
from policies.domain.ownership import Top
from policies.domain.reports import Result, read_results
from policies.models import (
    Cluster,
    CollectionRun,
    KindSnapshot,
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ResultTally,
)

T = TypeVar("T")

HEARTBEAT_EVERY = timedelta(seconds=10)
ENDS_THE_RUN = (Unreachable, TlsFailed, Unauthorized, TimedOut)
"""After one of these the next kind would fare no better."""

BELOW: dict[WorkloadKind, frozenset[WorkloadKind]] = {
    WorkloadKind.DEPLOYMENT: frozenset({WorkloadKind.REPLICA_SET, WorkloadKind.POD}),
    WorkloadKind.CRON_JOB: frozenset({WorkloadKind.JOB, WorkloadKind.POD}),
    WorkloadKind.POD_TEMPLATE: frozenset(),
    WorkloadKind.POD: frozenset(),
}
"""What a kind may own; all others own pods. While an owner is unknown, what it owns would look like a workload of
its own."""


class RunLost(Exception):
    """This run was given up for lost meanwhile, and another one may be at it: nothing more is written."""


@dataclass(slots=True)
class CollectionWork:
    """One run under way."""

    cluster: Cluster
    run: CollectionRun
    gateway: Gateway
    problems: Problems = field(default_factory=Problems)
    counts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, ClusterError] = field(default_factory=dict)
    """Why a kind was not read to its end, by its name."""
    unserved_kinds: set[str] = field(default_factory=set)
    stored_kinds: list[str] = field(default_factory=list)
    broken_by: ClusterError | None = None
    """What cut the way to the cluster; the kinds after it were not asked for."""

    @property
    def scope(self) -> Fields:
        return {"cluster_id": self.cluster.pk}

    def beat(self) -> None:
        """Tell others that this run is alive. Raises RunLost when they have given it up."""
        now = timezone.now()
        if now - self.run.heartbeat_at > HEARTBEAT_EVERY:
            self.hold(now)

    def hold(self, now: datetime) -> None:
        """Renew the hold on this run, before rows are replaced. Raises RunLost."""
        self.run.heartbeat_at = now
        running = CollectionRun.objects.filter(pk=self.run.pk, state=CollectionRun.State.RUNNING)
        if not running.update(heartbeat_at=now):
            raise RunLost


def read_and_store(work: CollectionWork) -> tuple[Snapshot, Mapping[str, Top]]:
    """Read every kind, then store what was read to its end; give the workloads that were read, and their tops.

    Raises ClusterError when the first call fails already, RunLost.
    """
    version = work.gateway.version()
    note_contact(work.cluster, version=version.git_version, now=timezone.now())
    namespaces = read_kind(work, NAMESPACES, msgspec.json.Decoder(Namespace).decode)
    policies = {target: _read_policies(work, target) for target in Target}
    snapshot, engines = _read_workloads(work)
    tops = snapshot.tops()
    results = _read_reports(work, tops)

    if namespaces is not None:
        _store_namespaces(work, namespaces, engines)
    for target, records in policies.items():
        if records is not None:
            _store_policies(work, target, records)
    _store_workloads(work, snapshot, tops)
    if results is not None and snapshot.is_whole:
        _store_results(work, results)
    if engines is not None:
        _note_kyverno(work, engines)
    if work.broken_by is None:
        note_engine(work.gateway, work.cluster, now=timezone.now())
    return snapshot, tops


POLICY_KINDS = {
    Target.CLUSTER_POLICY: CLUSTER_POLICIES,
    Target.VALIDATING_POLICY: VALIDATING_POLICIES,
    Target.NATIVE: NATIVE_POLICIES,
}
REPORT_KINDS = (POLICY_REPORTS, CLUSTER_POLICY_REPORTS)


def read_kind(
    work: CollectionWork, resource: Resource, decode: Callable[[bytes], T]
) -> list[T] | None:
    """Read one kind whole; None when its last page was not reached, with the reason on its snapshot row."""
    name = kind_name(resource)
    try:
        if work.broken_by is not None:
            raise work.broken_by
        items = list(read_items(work.gateway, resource, decode, work.problems, on_page=work.beat))
    except NotFound:
        work.unserved_kinds.add(name)
        return []
    except ClusterError as error:
        if isinstance(error, ENDS_THE_RUN):
            work.broken_by = error
        work.failures[name] = error
        mark_failed(work, resource, error.message)
        return None
    work.counts[name] = len(items)
    return items


def mark(work: CollectionWork, resource: Resource) -> None:
    """Note that this kind's rows are those of this run."""
    name = kind_name(resource)
    KindSnapshot.objects.update_or_create(
        cluster=work.cluster,
        kind=name,
        defaults={
            "run": work.run,
            "completed_at": work.run.started_at,
            "object_count": work.counts.get(name, 0),
            "served": name not in work.unserved_kinds,
            "failed_at": None,
            "failure": "",
        },
    )
    work.stored_kinds.append(name)


def mark_failed(work: CollectionWork, resource: Resource, message: str) -> None:
    """Note why this kind was not read to its end; its rows stay those of before."""
    KindSnapshot.objects.update_or_create(
        cluster=work.cluster,
        kind=kind_name(resource),
        defaults={"failed_at": timezone.now(), "failure": message},
    )


# Namespaces and policies


def _store_namespaces(
    work: CollectionWork, namespaces: list[Namespace], engines: list[Engine] | None
) -> None:
    own = _engine_namespaces(work, engines)
    rows: dict[Key, Fields] = {}
    for namespace in namespaces:
        meta = namespace.metadata
        fields: Fields = {
            "uid": meta.uid,
            "team": (meta.labels or {}).get(settings.SECPROF_TEAM_LABEL, ""),
            "is_system": is_system_namespace(meta.name, own),
            "is_terminating": meta.deletion_timestamp is not None,
        }
        rows[(meta.name,)] = {**fields, "content_hash": content_hash(fields)}
    work.hold(timezone.now())
    replace_rows(
        ObservedNamespace, scope=work.scope, key=("name",), compared=("content_hash",), rows=rows
    )
    mark(work, NAMESPACES)


def _engine_namespaces(work: CollectionWork, engines: list[Engine] | None) -> frozenset[str]:
    """Name the namespaces that the engine runs in: those of before, while Deployments cannot be read."""
    if engines is not None:
        return frozenset(engine.namespace for engine in engines)
    known = ObservedNamespace.objects.filter(cluster=work.cluster, is_system=True)
    return frozenset(known.values_list("name", flat=True))


def _read_policies(
    work: CollectionWork, target: Target
) -> list[tuple[PolicyRecord, Manifest]] | None:
    """Read one kind of policy in the newest version that the cluster serves."""
    found: list[tuple[PolicyRecord, Manifest]] | None = None
    for version in API_VERSIONS[target]:
        resource = policy_resource(target, version)
        work.unserved_kinds.discard(kind_name(resource))
        found = _read_policies_as(work, resource)
        if kind_name(resource) not in work.unserved_kinds:
            break
    return found


def _read_policies_as(
    work: CollectionWork, resource: Resource
) -> list[tuple[PolicyRecord, Manifest]] | None:
    def decode(item: bytes) -> tuple[PolicyRecord, Manifest]:
        manifest: Manifest = msgspec.json.decode(item, type=dict[str, Any])
        manifest.setdefault("kind", resource.kind)
        manifest.setdefault("apiVersion", resource.api_version)
        return read_policy(manifest), manifest

    return read_kind(work, resource, decode)


def policy_fields(record: PolicyRecord, manifest: Manifest) -> Fields:
    """Make the columns of an ObservedPolicy, but for its key."""
    return {
        "uid": record.uid,
        "resource_version": record.resource_version,
        "digest": record.digest,
        "variant_name": record.variant or "",
        "role": record.role.value if record.role else "",
        "enforced": list(record.enforced),
        "denies": record.denies,
        "is_ready": record.ready,
        "changed_at": record.updated_at or timezone.now(),
        "manifest": manifest,
    }


def _store_policies(
    work: CollectionWork, target: Target, records: list[tuple[PolicyRecord, Manifest]]
) -> None:
    resource = POLICY_KINDS[target]
    rows: dict[Key, Fields] = {
        (record.name,): policy_fields(record, manifest) for record, manifest in records
    }
    work.hold(timezone.now())
    replace_rows(
        ObservedPolicy,
        scope={**work.scope, "kind": resource.kind},
        key=("name",),
        compared=("resource_version", "digest"),
        rows=rows,
    )
    mark(work, resource)


# Workloads


def _read_workloads(work: CollectionWork) -> tuple[Snapshot, list[Engine] | None]:
    """Read the nine kinds, and find the engine among them; None when Deployments were not read to their end."""
    snapshot = Snapshot(skipped=work.problems.skipped)
    engines: list[Engine] = []
    for resource in WORKLOADS:
        kind = WorkloadKind(resource.kind)
        decoder = msgspec.json.Decoder(STRUCT_BY_KIND[kind])
        found = read_kind(work, resource, partial(_decode_workload, kind, decoder, engines))
        if found is None:
            snapshot.missing_kinds |= {kind} | BELOW.get(kind, frozenset({WorkloadKind.POD}))
        else:
            snapshot.seen += found
    return snapshot, None if WorkloadKind.DEPLOYMENT in snapshot.missing_kinds else engines


def _decode_workload(
    kind: WorkloadKind, decoder: msgspec.json.Decoder[Any], engines: list[Engine], item: bytes
) -> Seen:
    workload = decoder.decode(item)
    if kind is WorkloadKind.DEPLOYMENT and isinstance(workload, Controller):
        engine = find_engine(workload)
        if engine is not None:
            engines.append(engine)
    return see(kind, workload)


def _store_workloads(work: CollectionWork, snapshot: Snapshot, tops: Mapping[str, Top]) -> None:
    by_kind: dict[str, dict[Key, Fields]] = {kind.value: {} for kind in WorkloadKind}
    for key, fields in snapshot.rows(tops, _known_pod_counts(work, snapshot)).items():
        kind = fields.pop("kind")
        by_kind[kind][key] = fields
    whole = [r for r in WORKLOADS if WorkloadKind(r.kind) not in snapshot.missing_kinds]
    for resource in whole:
        work.hold(timezone.now())
        replace_rows(
            ObservedWorkload,
            scope={**work.scope, "kind": resource.kind},
            key=("uid",),
            compared=("content_hash",),
            rows=by_kind[resource.kind],
        )
    if snapshot.is_whole:
        replace_rows(
            PostureTally,
            scope=work.scope,
            key=("namespace", "control"),
            compared=POSTURE_COLUMNS,
            rows=snapshot.posture_tallies(tops, _control_sets()),
        )
    for resource in whole:
        mark(work, resource)


def _known_pod_counts(work: CollectionWork, snapshot: Snapshot) -> Mapping[str, int] | None:
    """While pods cannot be read, the numbers of before stand; None when they were read."""
    if WorkloadKind.POD not in snapshot.missing_kinds:
        return None
    rows = ObservedWorkload.objects.filter(cluster=work.cluster, pod_count__gt=0)
    return dict(rows.values_list("uid", "pod_count"))


def _control_sets() -> set[tuple[str, ...]]:
    """Name the sets of controls to count: each one that a variant of the library may demand."""
    choices = (choice for template in TEMPLATES.values() for choice in template.choices)
    return {tuple(control.value for control in choice) for choice in choices}


# Reports


def _read_reports(work: CollectionWork, tops: Mapping[str, Top]) -> ResultSnapshot | None:
    results = ResultSnapshot()
    decoder = msgspec.json.Decoder(PolicyReport)

    def count(item: bytes) -> None:
        read: tuple[Result, ...] = read_results(decoder.decode(item))
        for result in read:
            results.add(result, tops)

    complete = [read_kind(work, resource, count) is not None for resource in REPORT_KINDS]
    return results if all(complete) else None


def _store_results(work: CollectionWork, results: ResultSnapshot) -> None:
    work.hold(timezone.now())
    replace_rows(
        ObservedResult,
        scope=work.scope,
        key=("source", "policy", "raw_rule", "uid"),
        compared=("content_hash",),
        rows=results.rows,
    )
    work.hold(timezone.now())
    tallies = results.finished_tallies()
    columns = tuple(next(iter(tallies.values()), {}))
    replace_rows(
        ResultTally,
        scope=work.scope,
        key=("source", "policy", "namespace"),
        compared=columns,
        rows=tallies,
    )
    for resource in REPORT_KINDS:
        mark(work, resource)


def _note_kyverno(work: CollectionWork, engines: list[Engine]) -> None:
    version = engines[0].version[:VERSION_LENGTH] if engines else ""
    if work.cluster.kyverno_version != version:
        work.cluster.kyverno_version = version
        work.cluster.save(update_fields=["kyverno_version"])
