"""What one collection run has read, kept small: one light record an object, findings only where there are some."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from policies.actions.storing import Fields, Key, content_hash
from policies.domain.controls import SECCOMP_CONTROLS
from policies.domain.inventory import (
    ANYWHERE,
    Named,
    Placement,
    placement_of,
    references_of,
)
from policies.domain.objects import Controller, CronJob, Workload, WorkloadKind
from policies.domain.ownership import Owned, Top, resolve_tops
from policies.domain.parameters import Parameters
from policies.domain.posture import Finding, Posture, Role, assess, patch_for
from policies.domain.posture.pods import API_VERSION, pod_parts
from policies.domain.reports import Outcome, Result

ALL_CONTROLS = SECCOMP_CONTROLS
_PARAMETERS = Parameters(controls=ALL_CONTROLS)
_KINDS = frozenset(kind.value for kind in WorkloadKind)
_OWNERS = frozenset((API_VERSION[kind], kind.value) for kind in WorkloadKind)
POSTURE_COLUMNS = (
    "workload_count",
    "failing_count",
    "not_applicable_count",
    "reportable_count",
    "unreadable_count",
)
REPORTED_KINDS = frozenset(WorkloadKind) - {
    WorkloadKind.POD_TEMPLATE,
    WorkloadKind.REPLICATION_CONTROLLER,
}
"""No engine reports on pod templates, and ValidatingPolicies not on replication controllers (kyverno-facts 5.38)."""
SCHEDULE_LENGTH = 100
"""Kubernetes sets no limit."""
TEXT_LENGTH = 253
"""Of names in a report: the report API sets no limit, and other producers put sentences there."""
HELM_RELEASE = "meta.helm.sh/release-name"


@dataclass(frozen=True, slots=True)
class Seen:
    """One object of the nine kinds, as far as the snapshot needs it."""

    kind: WorkloadKind
    uid: str
    namespace: str
    name: str
    controller_uid: str
    is_idle_revision: bool
    """An old ReplicaSet kept for a rollback of its Deployment: nothing will start from it."""
    applicable: bool
    findings: tuple[Finding, ...]
    fields: Fields
    """The columns of its row; empty for an object that will have none unless it has findings of its own."""
    named: tuple[Named, ...] = ()
    """The Localhost profiles that its containers ask for."""
    placement: Placement = ANYWHERE
    """Where its pods may run; only read where it names a profile."""


def see(kind: WorkloadKind, workload: Workload) -> Seen:
    """Judge one object and keep what matters. Raises UnreadablePodSpec."""
    posture = assess(kind, workload, parameters=_PARAMETERS)
    meta = workload.metadata
    controller = meta.controller
    # Other groups have a StatefulSet or a Job as well, and those are not read.
    has_known_owner = (
        controller is not None and (controller.api_version, controller.kind) in _OWNERS
    )
    named = references_of(posture.containers)
    return Seen(
        kind=kind,
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        controller_uid=controller.uid if controller else "",
        is_idle_revision=_is_idle_revision(kind, workload),
        applicable=posture.applicable,
        findings=posture.findings,
        fields=_fields(kind, workload, posture) if posture.findings or not has_known_owner else {},
        named=named,
        placement=placement_of(kind, pod_parts(workload)[1]) if named else ANYWHERE,
    )


def _is_idle_revision(kind: WorkloadKind, workload: Workload) -> bool:
    return (
        kind is WorkloadKind.REPLICA_SET
        and isinstance(workload, Controller)
        and workload.metadata.controller is not None
        and workload.spec.replicas == 0
    )


def _fields(kind: WorkloadKind, workload: Workload, posture: Posture) -> Fields:
    meta = workload.metadata
    spec = getattr(workload, "spec", None)
    return {
        "replicas": getattr(spec, "replicas", None),
        "schedule": workload.spec.schedule[:SCHEDULE_LENGTH]
        if isinstance(workload, CronJob)
        else "",
        "is_suspended": bool(getattr(spec, "suspend", False)),
        "helm_release": (meta.annotations or {}).get(HELM_RELEASE, "")[:63],
        "is_applicable": posture.applicable,
        "containers": [_plain(c) for c in posture.containers],
        "findings": [_plain(f) for f in posture.findings],
        "finding_count": len(posture.findings),
        "patches": _patches(kind, workload, posture.findings),
    }


def _plain(record: Any) -> dict[str, Any]:
    return asdict(record)


def _patches(
    kind: WorkloadKind, workload: Workload, findings: tuple[Finding, ...]
) -> dict[str, str]:
    patches = {}
    for control in ALL_CONTROLS:
        of_control = tuple(f for f in findings if f.control is control)
        if of_control:
            meta = workload.metadata
            patches[control.value] = patch_for(
                kind, meta.namespace, meta.name, workload, of_control
            )
    return patches


@dataclass(slots=True)
class Snapshot:
    """Everything that one run has read of the nine kinds."""

    seen: list[Seen] = field(default_factory=list)
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Objects that could not be read, by kind and namespace."""
    missing_kinds: set[WorkloadKind] = field(default_factory=set)
    """Kinds that were not read to their end, and what they may own: their old rows stay."""

    @property
    def is_whole(self) -> bool:
        return not self.missing_kinds

    def tops(self) -> Mapping[str, Top]:
        """Map the uid of each object to its top-level workload."""
        return resolve_tops(Owned(s.uid, s.kind.value, s.name, s.controller_uid) for s in self.seen)

    def rows(
        self, tops: Mapping[str, Top], known_pods: Mapping[str, int] | None = None
    ) -> dict[Key, Fields]:
        """Make the rows of ObservedWorkload by uid: top-level workloads, and what differs from its owner.

        `known_pods` are the numbers of pods by uid of a workload, where they cannot be counted.
        """
        pods = Counter(tops[s.uid].uid for s in self.seen if s.kind is WorkloadKind.POD)
        if known_pods is not None:
            pods = Counter(known_pods)
        by_uid = {s.uid: s for s in self.seen}
        rows: dict[Key, Fields] = {}
        for seen in self.seen:
            top = tops[seen.uid]
            if seen.uid != top.uid and not adds_findings(seen, by_uid[top.uid]):
                continue
            fields = {
                "kind": seen.kind.value,
                "namespace": seen.namespace,
                "name": seen.name,
                "top_kind": top.kind,
                "top_name": top.name,
                "pod_count": pods[seen.uid] if seen.uid == top.uid else 0,
                **seen.fields,
            }
            rows[(seen.uid,)] = {**fields, "content_hash": content_hash(fields)}
        return rows

    def posture_tallies(
        self, tops: Mapping[str, Top], control_sets: Collection[tuple[str, ...]]
    ) -> dict[Key, Fields]:
        """Count top-level workloads per namespace and set of controls, by (namespace, controls)."""
        by_uid = {s.uid: s for s in self.seen}
        failing: dict[str, set[str]] = defaultdict(set)
        for seen in self.seen:
            top = tops[seen.uid]
            if seen.uid == top.uid or adds_findings(seen, by_uid[top.uid]):
                lasting = (f for f in seen.findings if _lasts(seen, f, top))
                failing[top.uid].update(f.control.value for f in lasting)
        tallies: dict[Key, Fields] = {}
        for seen in self.seen:
            if tops[seen.uid].uid != seen.uid:
                continue
            for controls in control_sets:
                tally = _tally_of(tallies, seen.namespace, controls)
                tally["workload_count"] += 1
                tally["reportable_count"] += seen.kind in REPORTED_KINDS
                tally["not_applicable_count"] += not seen.applicable
                tally["failing_count"] += not failing[seen.uid].isdisjoint(controls)
        for (kind, namespace), count in self.skipped.items():
            for controls in control_sets if kind in _KINDS else ():
                _tally_of(tallies, namespace, controls)["unreadable_count"] += count
        return tallies


def _tally_of(tallies: dict[Key, Fields], namespace: str, controls: Iterable[str]) -> Fields:
    key = (namespace, control_key(controls))
    return tallies.setdefault(key, dict.fromkeys(POSTURE_COLUMNS, 0))


def control_key(controls: Iterable[str]) -> str:
    """Name a set of controls: their ids, sorted, with commas."""
    return ",".join(sorted(controls))


def adds_findings(seen: Seen, top: Seen) -> bool:
    """Say whether an owned object fails where its top-level workload does not."""
    if seen.is_idle_revision:
        return False
    known = {(f.control, f.container) for f in top.findings}
    return any((f.control, f.container) not in known for f in seen.findings)


def _lasts(seen: Seen, finding: Finding, top: Top) -> bool:
    # A debug container of an owned pod is gone with the pod: its owner's next pod does not have it.
    return seen.uid == top.uid or finding.role is not Role.EPHEMERAL


@dataclass(slots=True)
class ResultSnapshot:
    """Everything that one run has read of reports: tallies, and each result that is not a pass."""

    tallies: dict[Key, Fields] = field(default_factory=dict)
    """By (source, policy, namespace)."""
    rows: dict[Key, Fields] = field(default_factory=dict)
    """By (source, policy, raw rule, uid)."""
    _failing: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    _judged: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    _undated: set[Key] = field(default_factory=set)

    def add(self, result: Result, tops: Mapping[str, Top]) -> None:
        """Count one result, and keep it when it is not a pass."""
        policy = (result.source[:TEXT_LENGTH], result.policy[:TEXT_LENGTH])
        key = (*policy, result.namespace)
        tally = self.tallies.setdefault(key, _empty_tally())
        tally[f"{result.outcome.value}_count"] += 1
        if result.outcome is not Outcome.SKIP:
            tally["newest_at"] = _extreme(max, tally["newest_at"], result.at)
            tally["oldest_at"] = _extreme(min, tally["oldest_at"], result.at)
            if result.at is None:
                self._undated.add(key)
        known = tops.get(result.uid)
        top = known or Top(result.uid, result.kind, result.name)
        # A report outlives its workload for a while; it must not stand for one that was not judged yet.
        if known and top.uid == result.uid and result.kind in REPORTED_KINDS:
            self._judged[key].add(result.uid)
        if result.outcome is Outcome.PASS:
            return
        fields: Fields = {
            "rule": result.rule[:TEXT_LENGTH],
            "outcome": result.outcome.value,
            "message": result.message,
            "at": result.at,
            "kind": result.kind,
            "namespace": result.namespace,
            "name": result.name,
            "top_kind": top.kind,
            "top_name": top.name,
        }
        said = content_hash({**fields, "at": result.at.isoformat() if result.at else None})
        row_key = (*policy, result.raw_rule[:TEXT_LENGTH], result.uid)
        self.rows[row_key] = {**fields, "content_hash": said}
        # Only what the top-level workload itself fails is refused later: results of pods and of ReplicaSets tell
        # of the past (kyverno-facts 5.39).
        if result.outcome is not Outcome.SKIP and top.uid == result.uid:
            self._failing[key].add(result.uid)

    def finished_tallies(self) -> dict[Key, Fields]:
        """Complete the tallies with the numbers of failing and of judged workloads."""
        for key, tally in self.tallies.items():
            tally["failing_workload_count"] = len(self._failing[key])
            tally["judged_workload_count"] = len(self._judged[key])
            if key in self._undated:
                tally["oldest_at"] = None
        return self.tallies


def _empty_tally() -> Fields:
    counts = {f"{outcome.value}_count": 0 for outcome in Outcome}
    workloads = {"failing_workload_count": 0, "judged_workload_count": 0}
    return {**counts, **workloads, "newest_at": None, "oldest_at": None}


def _extreme(choose: Any, one: datetime | None, other: datetime | None) -> datetime | None:
    known = [at for at in (one, other) if at is not None]
    return choose(known) if known else None
