"""Reports: what one collection run reads of them, as tallies and as rows of what is not a pass."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from django.utils import timezone

from policies.actions.collection_work import CollectionWork
from policies.actions.findings import close_findings, turn_findings
from policies.actions.history import note_day
from policies.actions.snapshots import REPORTED_KINDS
from policies.actions.storing import Fields, Key, content_hash, replace_rows
from policies.cluster.gateway import CLUSTER_POLICY_REPORTS, POLICY_REPORTS
from policies.domain.objects import PolicyReport
from policies.domain.ownership import Top
from policies.domain.reports import Outcome, Result, read_results
from policies.models import KindSnapshot, ObservedResult, ResultTally

REPORT_KINDS = (POLICY_REPORTS, CLUSTER_POLICY_REPORTS)
TEXT_LENGTH = 253
"""Of names in a report: the report API sets no limit, and other producers put sentences there."""


def read_reports(work: CollectionWork, tops: Mapping[str, Top]) -> "ResultSnapshot | None":
    """Read every report; None when a kind was not read to its end."""
    results = ResultSnapshot()
    decoder = msgspec.json.Decoder(PolicyReport)

    def count(item: bytes) -> None:
        read: tuple[Result, ...] = read_results(decoder.decode(item))
        for result in read:
            results.add(result, tops)

    complete = [work.read_kind(resource, count) is not None for resource in REPORT_KINDS]
    return results if all(complete) else None


def store_results(work: CollectionWork, results: "ResultSnapshot") -> None:
    """Replace results and their tallies; findings that end are written down."""
    work.hold(timezone.now())
    replace_rows(
        ObservedResult,
        scope=work.scope,
        key=("source", "policy", "raw_rule", "uid"),
        compared=("content_hash",),
        rows=results.rows,
        born={"first_seen_at": work.run.started_at},
        before_delete=partial(_close, work, results, _last_read_at(work)),
        before_update=partial(_turn, work, _last_read_at(work)),
    )
    work.hold(timezone.now())
    tallies = results.finished_tallies()
    columns = tuple(next(iter(tallies.values()), {}))
    touched: set[Key] = set()
    replace_rows(
        ResultTally,
        scope=work.scope,
        key=("source", "policy", "namespace"),
        compared=columns,
        rows=tallies,
        touched=touched,
    )
    for resource in REPORT_KINDS:
        work.mark(resource)
    note_day(work.cluster, now=work.run.started_at, keys=touched)


def _last_read_at(work: CollectionWork) -> datetime | None:
    reports = KindSnapshot.objects.filter(cluster=work.cluster, kind=POLICY_REPORTS.full_name)
    return reports.values_list("completed_at", flat=True).first()


def _close(
    work: CollectionWork,
    results: "ResultSnapshot",
    last_seen_at: datetime | None,
    pks: list[int],
) -> None:
    gone = ObservedResult.objects.filter(pk__in=pks)
    close_findings(
        work.cluster.pk,
        pks,
        closed_at=work.run.started_at,
        last_seen_at=last_seen_at,
        passed=[
            pk
            for pk, source, policy, namespace, uid in gone.values_list(
                "pk", "source", "policy", "namespace", "uid"
            )
            if results.has_judged((source, policy, namespace), uid)
        ],
    )


def _turn(work: CollectionWork, last_seen_at: datetime | None, rows: list[ObservedResult]) -> None:
    turn_findings(
        work.cluster.pk,
        {row.pk: row.outcome for row in rows},
        at=work.run.started_at,
        last_seen_at=last_seen_at,
    )


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
            "exceptions": list(result.exceptions),
        }
        said = content_hash({**fields, "at": result.at.isoformat() if result.at else None})
        row_key = (*policy, result.raw_rule[:TEXT_LENGTH], result.uid)
        self.rows[row_key] = {**fields, "content_hash": said}
        # Only what the top-level workload itself fails is refused later: results of pods and of ReplicaSets tell
        # of the past (kyverno-facts 5.39).
        if result.outcome is not Outcome.SKIP and top.uid == result.uid:
            self._failing[key].add(result.uid)

    def has_judged(self, tally: Key, uid: str) -> bool:
        """Say whether this policy's reports judge this top-level workload, by (source, policy, namespace)."""
        return uid in self._judged.get(tally, ())

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
