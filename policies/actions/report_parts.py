"""What reports say, object by object, as it is kept between two runs; and the tallies and rows that follow from it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from policies.actions.snapshots import REPORTED_KINDS
from policies.actions.storing import Fields, Key, content_hash
from policies.cluster.gateway import (
    CLUSTER_POLICY_REPORTS,
    OPEN_CLUSTER_REPORTS,
    OPEN_REPORTS,
    POLICY_REPORTS,
    Resource,
)
from policies.domain.objects import ObjectMeta, PolicyReport
from policies.domain.ownership import Top
from policies.domain.reports import TEXT_LENGTH, Entries, Outcome, Subject, read_parts

REPORT_KINDS = (POLICY_REPORTS, CLUSTER_POLICY_REPORTS, OPEN_REPORTS, OPEN_CLUSTER_REPORTS)
GROUPS = tuple(dict.fromkeys(kind.group for kind in REPORT_KINDS))
KIND_LENGTH = 63
REPORTED = frozenset(kind.value for kind in REPORTED_KINDS)
_ENTRIES = msgspec.msgpack.Decoder(Entries)

PartKey = tuple[str, str]
"""Report and subject."""
TallyKey = tuple[str, str, str]
"""Source, policy and namespace."""


class Standing(StrEnum):
    """What is known of a subject among the workloads of its cluster."""

    TOP = "top"
    """It is there, and nothing owns it."""
    OWNED = "owned"
    """Its results tell of the past (kyverno-facts 5.39): its owner's count."""
    UNKNOWN = "unknown"
    """A report outlives its workload for a while; it must not stand for one that was not judged yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one report says about one object."""

    report: str
    subject: Subject
    body: bytes
    """Its entries, packed."""

    @property
    def key(self) -> PartKey:
        return self.report, self.subject.key

    @property
    def group(self) -> str:
        return group_of(self.report)

    @property
    def entries(self) -> Entries:
        return _ENTRIES.decode(self.body)

    @property
    def content_hash(self) -> str:
        said = "\0".join(self.subject).encode()
        return hashlib.blake2b(self.body + said, digest_size=16).hexdigest()


def report_name(resource: Resource, metadata: ObjectMeta) -> str:
    """Name a report within its cluster: `policyreports.wgpolicyk8s.io/shop/…`."""
    return f"{resource.full_name}/{metadata.namespace}/{metadata.name}"


def at_of(seconds: int) -> datetime | None:
    """Give a time in UTC; None for none."""
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds else None


def group_of(report: str) -> str:
    return report.partition("/")[0].partition(".")[2]


@dataclass(slots=True)
class ReportReader:
    """Reads reports into parts. The same few names stand in each report: they are kept once."""

    _decoder: msgspec.json.Decoder[PolicyReport] = field(
        default_factory=lambda: msgspec.json.Decoder(PolicyReport)
    )
    _encoder: msgspec.msgpack.Encoder = field(default_factory=msgspec.msgpack.Encoder)

    def read(self, resource: Resource, item: bytes) -> tuple[str, tuple[Part, ...]]:
        """Give a report's name and its parts. Raises MalformedReport, MsgspecError."""
        report = self._decoder.decode(item)
        name = report_name(resource, report.metadata)
        told = read_parts(report)
        return name, tuple(
            Part(name, _cut(subject), self._encoder.encode(entries))
            for subject, entries in told.items()
        )


def _cut(subject: Subject) -> Subject:
    kind, namespace, name, uid = subject
    return Subject(kind[:KIND_LENGTH], namespace[:63], name[:TEXT_LENGTH], uid[:64])


Counts = dict[tuple[str, str], list[int]]
"""By source and policy: the numbers of `COLUMNS`."""

COLUMNS = (
    "pass_count",
    "fail_count",
    "warn_count",
    "error_count",
    "skip_count",
    "failing_workload_count",
    "judged_workload_count",
    "gone_workload_count",
)
"""Of a ResultTally: what adds up over its objects."""
OUTCOME_AT = {outcome.value: index for index, outcome in enumerate(Outcome)}
_FAILING, _GONE = COLUMNS.index("failing_workload_count"), COLUMNS.index("gone_workload_count")
_SKIP, _PASS = Outcome.SKIP.value, Outcome.PASS.value


def counts_of(entries: Entries, kind: str, standing: Standing) -> Counts:
    """Count what is said of one object, by source and policy."""
    counts: Counts = {}
    fails_count = standing is not Standing.OWNED
    failing = failing_column(kind, standing)
    is_judged = int(standing is Standing.TOP and kind in REPORTED)
    for entry in entries:
        key = (entry.source, entry.policy)
        count = counts.get(key)
        if count is None:
            count = counts[key] = [0, 0, 0, 0, 0, 0, is_judged, 0]
        count[OUTCOME_AT[entry.outcome]] += 1
        # Only what the top-level workload itself fails is refused later (kyverno-facts 5.39).
        if fails_count and entry.outcome != _PASS and entry.outcome != _SKIP:
            count[failing] = 1
    return counts


def failing_column(kind: str, standing: Standing) -> int:
    """Say which of `COLUMNS` counts an object that fails: one that is gone by now will never be refused."""
    return _GONE if standing is Standing.UNKNOWN and kind in REPORTED else _FAILING


def times_of(entries: Entries) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield by source and policy when a result was made; a skip is no judgement, and 0 is no time."""
    for entry in entries:
        if entry.outcome != _SKIP:
            yield (entry.source, entry.policy), entry.seconds


def result_rows(subject: Subject, entries: Entries, top: Top | None) -> dict[Key, Fields]:
    """Make the rows of ObservedResult for one object, by (source, policy, raw rule, uid): what is not a pass."""
    top = top or Top(subject.uid, subject.kind, subject.name)
    rows: dict[Key, Fields] = {}
    for entry in entries:
        if entry.outcome == _PASS:
            continue
        fields: Fields = {
            "rule": entry.rule,
            "outcome": entry.outcome,
            "message": entry.message,
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "top_kind": top.kind,
            "top_name": top.name,
            "exceptions": list(entry.exceptions),
        }
        key = (
            entry.source,
            entry.policy,
            entry.raw_rule,
            subject.key,
        )
        said = content_hash({**fields, "at": entry.seconds})
        rows[key] = {**fields, "at": entry.at, "content_hash": said}
    return rows
