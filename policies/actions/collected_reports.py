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
    OUTCOME_AT,
    REPORT_KINDS,
    REPORTED,
    Part,
    PartKey,
    ReportReader,
    Standing,
    TallyKey,
    at_of,
    failing_column,
    result_rows,
)
from policies.actions.storing import Fields, Key, replace_rows
from policies.cluster.gateway import OPEN_REPORTS, Resource
from policies.domain.ownership import Top
from policies.domain.reports import Entries, Subject, newest
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


@dataclass(slots=True)
class Tallying:
    """Tallies of many objects, one object after the other."""

    _numbers: dict[TallyKey, list[int]] = field(default_factory=dict)
    """The numbers of `COLUMNS`; newest and oldest time, and whether one has none; the last object that was counted as
    failing, and as judged: a workload counts once, however many rules of a policy judge it."""
    _objects: int = 0

    def add(self, entries: Entries, subject: Subject, standing: Standing) -> None:
        """Count what is said of one object; each object is to be added once."""
        self._objects += 1
        object_number, namespace, numbers = self._objects, subject.namespace, self._numbers
        fails_count = standing is not Standing.OWNED
        failing = failing_column(subject.kind, standing)
        is_judged = standing is Standing.TOP and subject.kind in REPORTED
        for entry in entries:
            key = (entry.source, entry.policy, namespace)
            tally = numbers.get(key)
            if tally is None:
                tally = numbers[key] = [0] * _TALLY_LENGTH
            outcome = OUTCOME_AT[entry.outcome]
            tally[outcome] += 1
            if is_judged and tally[_JUDGED_LAST] != object_number:
                tally[_JUDGED] += 1
                tally[_JUDGED_LAST] = object_number
            if outcome == _SKIP:
                continue
            if outcome != _PASS and fails_count and tally[_FAILED_LAST] != object_number:
                tally[failing] += 1
                tally[_FAILED_LAST] = object_number
            seconds = entry.seconds
            if seconds > tally[_NEWEST]:
                tally[_NEWEST] = seconds
            if not seconds:
                tally[_UNDATED] = 1
            elif seconds < tally[_OLDEST] or not tally[_OLDEST]:
                tally[_OLDEST] = seconds

    def rows(self, at: datetime) -> dict[Key, Fields]:
        """Make the rows of ResultTally as a run makes them that began at this time, by source, policy and namespace."""
        return {
            key: {
                **dict(zip(COLUMNS, tally, strict=False)),
                **time_fields(Times(tally[_NEWEST], tally[_OLDEST], is_whole=not tally[_UNDATED])),
                "changed_at": at,
            }
            for key, tally in self._numbers.items()
        }


_JUDGED = COLUMNS.index("judged_workload_count")
_PASS, _SKIP = OUTCOME_AT["pass"], OUTCOME_AT["skip"]
_NEWEST, _OLDEST, _UNDATED, _FAILED_LAST, _JUDGED_LAST = range(len(COLUMNS), len(COLUMNS) + 5)
_TALLY_LENGTH = len(COLUMNS) + 5


def read_reports(work: CollectionWork) -> ReadReports | None:
    """Read every report of both groups; None when a kind was not read to its end."""
    read = ReadReports()
    complete = [read_report_kind(work, resource, read) for resource in REPORT_KINDS]
    return read if all(complete) else None


def read_report_kind(work: CollectionWork, resource: Resource, read: ReadReports) -> bool:
    """Read the reports of one kind; False when its last page was not reached."""
    # Who may not list a kind is refused whether it exists or not; openreports.io is on few clusters.
    if resource.group == OPEN_REPORTS.group and not _is_served(work, resource):
        return True
    reader = ReportReader()
    items = work.read_kind(resource, lambda item: read.add(reader.read(resource, item)[1]))
    return items is not None


def _is_served(work: CollectionWork, resource: Resource) -> bool:
    if work.broken_by is None and not work.gateway.serves(resource):
        work.unserved_kinds.add(resource.full_name)
        return False
    return True


def store_results(
    work: CollectionWork, read: ReadReports, tops: Mapping[str, Top]
) -> set[TallyKey]:
    """Replace what reports say, and what follows from it; name the tallies that changed."""
    origins = origins_of(read.parts.values())
    counted = counted_groups(origins)
    by_subject: dict[str, list[Part]] = defaultdict(list)
    for part in read.parts.values():
        by_subject[part.key[1]].append(part)
    tallying = Tallying()
    rows: dict[Key, Fields] = {}
    for key, parts in by_subject.items():
        subject = parts[0].subject
        entries = told_of(parts, counted)
        top = tops.get(subject.uid)
        tallying.add(entries, subject, standing_of(key, top))
        rows.update(result_rows(subject, entries, top))
    _store_rows(work, rows, lambda key: _judges(by_subject.get(key[3], ()), key, counted, tops))
    rows.clear()
    work.hold(timezone.now())
    changed = replace_rows(
        ResultTally,
        scope=work.scope,
        key=("source", "policy", "namespace"),
        compared=(*COLUMNS, "newest_at", "oldest_at"),
        rows=tallying.rows(work.run.started_at),
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
    return any((e.source, e.policy) == key[:2] for e in told_of(parts, counted))


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
            origin = (group, entry.source)
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
    group = parts[0].group if len(parts) == 1 else ""
    if group and all(each == group for each in counted.values()):
        return parts[0].entries
    told = []
    for part in parts:
        group = part.group
        told.append(
            tuple(entry for entry in part.entries if counted.get(entry.source, group) == group)
        )
    return told[0] if len(told) == 1 else newest(told)


def standing_of(uid: str, top: Top | None) -> Standing:
    if top is None:
        return Standing.UNKNOWN
    return Standing.TOP if top.uid == uid else Standing.OWNED


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
