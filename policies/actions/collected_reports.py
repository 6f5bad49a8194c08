"""Reports, read whole: what each says of each object, and the tallies and rows that follow from all of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from policies.actions.collection_work import CollectionWork
from policies.actions.findings import close_findings, turn_findings
from policies.actions.report_parts import (
    COLUMNS,
    REPORT_KINDS,
    TEXT_LENGTH,
    Part,
    PartKey,
    ReportReader,
    Standing,
    TallyKey,
    at_of,
    counts_of,
    result_rows,
    times_of,
)
from policies.actions.storing import Fields, Key, replace_rows
from policies.cluster.gateway import Resource
from policies.domain.ownership import Top
from policies.domain.reports import Entries, newest
from policies.models import ObservedResult, ReportOrigin, ReportPart, ResultTally

Origin = tuple[str, str]
"""Group of the report API, and source."""


@dataclass(slots=True)
class ReadReports:
    """Every report that one run has read, object by object."""

    parts: dict[PartKey, Part] = field(default_factory=dict)

    def add(self, parts: Iterable[Part]) -> None:
        self.parts.update((part.key, part) for part in parts)


@dataclass(slots=True)
class Times:
    """When the results of one tally were made, in seconds since 1970."""

    newest: int = 0
    oldest: int = 0
    is_whole: bool = True
    """Each result says when it was made."""

    def add(self, seconds: int) -> None:
        if not seconds:
            self.is_whole = False
            return
        self.newest = max(self.newest, seconds)
        self.oldest = min(self.oldest or seconds, seconds)


def read_reports(work: CollectionWork) -> ReadReports | None:
    """Read every report of both groups; None when a kind was not read to its end."""
    read = ReadReports()
    complete = [read_report_kind(work, resource, read) for resource in REPORT_KINDS]
    return read if all(complete) else None


def read_report_kind(work: CollectionWork, resource: Resource, read: ReadReports) -> bool:
    """Read the reports of one kind; False when its last page was not reached."""
    reader = ReportReader()
    items = work.read_kind(resource, lambda item: read.add(reader.read(resource, item)[1]))
    return items is not None


def store_results(
    work: CollectionWork, read: ReadReports, tops: Mapping[str, Top]
) -> set[TallyKey]:
    """Replace what reports say, and what follows from it; name the tallies that changed."""
    origins = origins_of(read.parts.values())
    counted = counted_groups(origins)
    by_subject: dict[str, list[Part]] = defaultdict(list)
    for part in read.parts.values():
        by_subject[part.key[1]].append(part)
    tallies: dict[TallyKey, list[int]] = {}
    times: dict[TallyKey, Times] = defaultdict(Times)
    rows: dict[Key, Fields] = {}
    for key, parts in by_subject.items():
        subject = parts[0].subject
        entries = told_of(parts, counted)
        top = tops.get(subject.uid)
        counts = counts_of(entries, subject.kind, standing_of(key, top))
        for (source, policy), numbers in counts.items():
            tally = tallies.setdefault((source, policy, subject.namespace), [0] * len(COLUMNS))
            for index, number in enumerate(numbers):
                tally[index] += number
        for (source, policy), seconds in times_of(entries):
            times[source, policy, subject.namespace].add(seconds)
        rows.update(result_rows(subject, entries, top))
    _store_rows(work, rows, lambda key: _judges(by_subject.get(key[3], ()), key, counted, tops))
    work.hold(timezone.now())
    changed = replace_rows(
        ResultTally,
        scope=work.scope,
        key=("source", "policy", "namespace"),
        compared=(*COLUMNS, "newest_at", "oldest_at"),
        rows=tally_rows(tallies, times),
    )
    work.hold(timezone.now())
    replace_rows(
        ReportPart,
        scope=work.scope,
        key=("report", "subject"),
        compared=("content_hash", "standing"),
        rows={
            key: part_fields(part, standing_of(key[1], tops.get(part.subject.uid)))
            for key, part in read.parts.items()
        },
    )
    store_origins(work, origins, counted)
    for resource in REPORT_KINDS:
        work.mark(resource)
    return changed


def _store_rows(
    work: CollectionWork, rows: Mapping[Key, Fields], is_judged: Callable[[Key], bool]
) -> None:
    changes = Findings(work, is_judged)
    work.hold(timezone.now())
    replace_rows(
        ObservedResult,
        scope=work.scope,
        key=("source", "policy", "raw_rule", "uid"),
        compared=("content_hash",),
        rows=rows,
        born=changes.born,
        before_delete=changes.close,
        before_update=changes.turn,
    )


@dataclass(slots=True)
class Findings:
    """What a run writes down of the findings whose rows it is about to change."""

    work: CollectionWork
    is_judged: Callable[[Key], bool]
    """Whether the object of a row, by its key, is judged again by the same policy."""
    _seen_at: datetime | None = field(init=False)

    def __post_init__(self) -> None:
        self._seen_at = self.work.last_completed(REPORT_KINDS[0])

    @property
    def born(self) -> Fields:
        return {"first_seen_at": self.work.run.started_at}

    def close(self, gone: Mapping[int, Key]) -> None:
        close_findings(
            self.work.cluster.pk,
            list(gone),
            closed_at=self.work.run.started_at,
            last_seen_at=self._seen_at,
            passed=[pk for pk, key in gone.items() if self.is_judged(key)],
        )

    def turn(self, rows: Sequence[Fields]) -> None:
        turn_findings(
            self.work.cluster.pk,
            {row["id"]: row["outcome"] for row in rows},
            at=self.work.run.started_at,
            last_seen_at=self._seen_at,
        )


def _judges(
    parts: Sequence[Part], key: Key, counted: Mapping[str, str], tops: Mapping[str, Top]
) -> bool:
    """Say whether reports still judge the object of a row's key by its policy, and it is a top-level workload."""
    if not parts or standing_of(key[3], tops.get(key[3])) is not Standing.TOP:
        return False
    return any(
        (e.source[:TEXT_LENGTH], e.policy[:TEXT_LENGTH]) == key[:2] for e in told_of(parts, counted)
    )


def store_origins(
    work: CollectionWork,
    origins: Mapping[Origin, int],
    counted: Mapping[str, str],
) -> None:
    """Note which groups of the report API the results of each source stand in, and which of them counts."""
    replace_rows(
        ReportOrigin,
        scope=work.scope,
        key=("group", "source"),
        compared=("newest_at", "is_counted"),
        rows={
            (group, source): {
                "newest_at": at_of(seconds),
                "is_counted": counted[source] == group,
            }
            for (group, source), seconds in origins.items()
        },
    )


def origins_of(parts: Iterable[Part]) -> dict[Origin, int]:
    """Give for each source in each group when its newest result was made, in seconds since 1970; 0 is unknown."""
    found: dict[Origin, int] = {}
    for part in parts:
        group = part.group
        for entry in part.entries:
            origin = (group, entry.source[:TEXT_LENGTH])
            found[origin] = max(found.get(origin, 0), entry.seconds)
    return found


def counted_groups(origins: Mapping[Origin, int]) -> dict[str, str]:
    """Choose for each source the group that counts: the one with the newest result (kyverno-facts 5.6, 5.7)."""
    chosen: dict[str, str] = {}
    for (group, source), seconds in sorted(origins.items()):
        known = chosen.get(source)
        if known is None or seconds > origins[known, source]:
            chosen[source] = group
    return chosen


def told_of(parts: Sequence[Part], counted: Mapping[str, str]) -> Entries:
    """Give what counts of everything that reports say about one object."""
    told = []
    for part in parts:
        group = part.group
        told.append(
            tuple(
                entry
                for entry in part.entries
                if counted.get(entry.source[:TEXT_LENGTH], group) == group
            )
        )
    return told[0] if len(told) == 1 else newest(told)


def standing_of(uid: str, top: Top | None) -> Standing:
    if top is None:
        return Standing.UNKNOWN
    return Standing.TOP if top.uid == uid else Standing.OWNED


def tally_rows(
    tallies: Mapping[TallyKey, Sequence[int]], times: Mapping[TallyKey, Times]
) -> dict[Key, Fields]:
    """Make the rows of ResultTally, by source, policy and namespace."""
    return {
        key: {**dict(zip(COLUMNS, numbers, strict=True)), **time_fields(times.get(key) or Times())}
        for key, numbers in tallies.items()
    }


def time_fields(times: Times) -> Fields:
    return {
        "newest_at": at_of(times.newest),
        "oldest_at": at_of(times.oldest) if times.is_whole else None,
    }


def part_fields(part: Part, standing: Standing) -> Fields:
    """Make the columns of a ReportPart, but for its key."""
    return {
        "kind": part.subject.kind,
        "namespace": part.subject.namespace,
        "name": part.subject.name,
        "body": part.body,
        "content_hash": part.content_hash,
        "standing": standing.value,
    }
