"""The workloads that one collection run has read, kept small: one light record an object, findings where there are some."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from policies.actions.judging import Seen
from policies.actions.mirror import body_hash
from policies.actions.storing import Fields, Key, content_hash
from policies.domain.judges import Judge
from policies.domain.objects import WorkloadKind
from policies.domain.ownership import Owned, Top, resolve_tops
from policies.domain.posture import Finding, Role
from policies.queries.evidence import HEARD

_KINDS = frozenset(kind.value for kind in WorkloadKind)
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

    def part(self, uids: Collection[str]) -> "Snapshot":
        """Give what was read of some objects: whole trees, or their rows would be wrong."""
        return Snapshot(seen=[seen for seen in self.seen if seen.uid in uids])

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

    def mirror_rows(self, tops: Mapping[str, Top]) -> dict[Key, Fields]:
        """Make the rows of SeenObject by uid: everything that was read."""
        return {
            (seen.uid,): {
                "kind": seen.kind.value,
                "namespace": seen.namespace,
                "name": seen.name,
                "controller_uid": seen.controller_uid,
                "top_uid": tops[seen.uid].uid,
                "body": seen.body,
                "content_hash": body_hash(seen.body),
            }
            for seen in self.seen
        }

    def posture_tallies(
        self, tops: Mapping[str, Top], judges: tuple[Judge, ...]
    ) -> dict[Key, Fields]:
        """Count top-level workloads per namespace and judge, by (namespace, key of the judge).

        A row of zeros without a namespace says of each judge that it was heard.
        """
        failing = self._failing(tops)
        tallies: dict[Key, Fields] = {}
        for judge in judges:
            _tally_of(tallies, HEARD, judge)
            asked = {(judge.tag, control.value) for control in judge.controls}
            for seen in self.seen:
                if tops[seen.uid].uid == seen.uid:
                    tally = _tally_of(tallies, seen.namespace, judge)
                    _count(tally, seen, judge, fails=not failing[seen.uid].isdisjoint(asked))
            for (kind, namespace), count in self.skipped.items():
                if kind in _KINDS:
                    _tally_of(tallies, namespace, judge)["unreadable_count"] += count
        return tallies

    def _failing(self, tops: Mapping[str, Top]) -> Mapping[str, set[tuple[str, str]]]:
        """Collect what each top-level workload fails, by uid: tag of the judge, and control."""
        by_uid = {s.uid: s for s in self.seen}
        failing: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for seen in self.seen:
            top = tops[seen.uid]
            if seen.uid == top.uid or adds_findings(seen, by_uid[top.uid]):
                failing[top.uid].update(_lasting(seen, top))
        return failing


def _tally_of(tallies: dict[Key, Fields], namespace: str, judge: Judge) -> Fields:
    return tallies.setdefault((namespace, judge.key), dict.fromkeys(POSTURE_COLUMNS, 0))


def _count(tally: Fields, seen: Seen, judge: Judge, *, fails: bool) -> None:
    judgement = seen.judgement(judge)
    # What the variant leaves alone may go without a report.
    is_exempt = seen.judgements[0].applicable and not judgement.applicable
    reported = seen.kind in REPORTED_KINDS and judge.reports_on(seen.kind)
    tally["workload_count"] += 1
    tally["reportable_count"] += reported and not is_exempt
    tally["not_applicable_count"] += not judgement.applicable
    tally["failing_count"] += fails


def adds_findings(seen: Seen, top: Seen) -> bool:
    """Say whether an owned object fails where its top-level workload does not."""
    return not seen.is_idle_revision and not seen.faults <= top.faults


def _lasting(seen: Seen, top: Top) -> Iterator[tuple[str, str]]:
    for judgement in seen.judgements:
        for finding in judgement.findings:
            if _lasts(seen, finding, top):
                yield judgement.judge.tag, finding.control.value


def _lasts(seen: Seen, finding: Finding, top: Top) -> bool:
    # A debug container of an owned pod is gone with the pod: its owner's next pod does not have it.
    return seen.uid == top.uid or finding.role is not Role.EPHEMERAL
