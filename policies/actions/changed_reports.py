"""Reports that changed: what they say of each object is counted anew, and only what differs is written.

Everything of one object is written in one transaction: what each report says of it, its results, and the difference
that it makes to the tallies. A run that dies between two transactions is finished by the next, which finds the rest.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone

from policies.actions.collected_reports import (
    Findings,
    Times,
    part_fields,
    standing_of,
    time_fields,
    told_of,
)
from policies.actions.collection_work import CollectionWork
from policies.actions.report_parts import (
    COLUMNS,
    OUTCOME_AT,
    Part,
    PartKey,
    Standing,
    TallyKey,
    counts_of,
    result_rows,
    times_of,
)
from policies.actions.storing import LOOKUP_SIZE, Fields, Key, batches, change_rows, replace_rows
from policies.domain.ownership import Top
from policies.domain.reports import Entries, Outcome, Subject
from policies.models import ObservedResult, ReportPart, ResultTally, SeenObject

ChangedReports = Mapping[str, tuple[Part, ...]]
"""By name of the report: its parts as they are now; none when it is gone."""
_NOTHING = (0,) * len(COLUMNS)


@dataclass(slots=True)
class _Told:
    """Everything that reports say of one object, before and after."""

    before: dict[PartKey, tuple[int, Part, Standing]] = field(default_factory=dict)
    """With the id of its row, and what was known of the object then."""
    after: dict[PartKey, Part] = field(default_factory=dict)

    @property
    def subject(self) -> Subject:
        if self.after:
            return next(iter(self.after.values())).subject
        return next(iter(self.before.values()))[1].subject

    @property
    def standing(self) -> Standing | None:
        """What was known of the object when it was counted last; None when it was not counted yet."""
        return next((standing for _, _, standing in self.before.values()), None)


@dataclass(slots=True)
class _Difference:
    """What some objects add to the tallies, and take away."""

    numbers: dict[TallyKey, list[int]] = field(default_factory=dict)
    added: dict[TallyKey, Times] = field(default_factory=lambda: defaultdict(Times))
    removed: dict[TallyKey, Times] = field(default_factory=lambda: defaultdict(Times))

    def count(self, entries: Entries, subject: Subject, standing: Standing, *, sign: int) -> None:
        for (source, policy), numbers in counts_of(entries, subject.kind, standing).items():
            tally = self.numbers.setdefault((source, policy, subject.namespace), [0] * len(COLUMNS))
            for index, number in enumerate(numbers):
                tally[index] += sign * number
        times = self.added if sign > 0 else self.removed
        for (source, policy), seconds in times_of(entries):
            times[source, policy, subject.namespace].add(seconds)


def store_changed_reports(
    work: CollectionWork,
    changed: ChangedReports,
    *,
    moved: Mapping[str, Top | None],
    counted: Mapping[str, str],
) -> set[TallyKey]:
    """Write what differs in some reports, and in the results of objects that moved; name the tallies that are gone.

    `moved` are the objects whose top-level workload is another one now, by uid; None for those that are gone.
    `counted` is the group of the report API that counts, by source.
    """
    told = _load(work, changed, moved)
    gone: set[TallyKey] = set()
    for subjects in batches(sorted(told), LOOKUP_SIZE):
        tops = _tops(work, subjects, moved)
        findings = Findings(work, partial(_is_judged, told, counted, tops))
        work.hold(timezone.now())
        with transaction.atomic():
            gone |= _store(work, {s: told[s] for s in subjects}, tops, counted, findings)
    return gone


def _load(
    work: CollectionWork, changed: ChangedReports, moved: Collection[str]
) -> dict[str, _Told]:
    """Load what is stored of every object that is touched, by its key, and put the changes beside it."""
    rows = ReportPart.objects.filter(cluster=work.cluster)
    same: dict[PartKey, str] = {}
    touched = set(moved)
    new = {part.key: part for parts in changed.values() for part in parts}
    for names in batches(sorted(changed), LOOKUP_SIZE):
        for report, subject, said in rows.filter(report__in=names).values_list(
            "report", "subject", "content_hash"
        ):
            part = new.get((report, subject))
            if part is not None and part.content_hash == said:
                same[report, subject] = said
            else:
                touched.add(subject)
    touched.update(part.key[1] for part in new.values() if part.key not in same)
    told: dict[str, _Told] = {}
    for subjects in batches(sorted(touched), LOOKUP_SIZE):
        for row in rows.filter(subject__in=subjects):
            part = _part(row)
            one = told.setdefault(row.subject, _Told())
            one.before[part.key] = row.pk, part, Standing(row.standing)
            if part.report not in changed:
                one.after[part.key] = part
    for key, part in new.items():
        if key[1] in touched:
            told.setdefault(key[1], _Told()).after[key] = part
    return told


def _part(row: ReportPart) -> Part:
    uid = "" if row.subject.startswith("unnamed-") else row.subject
    return Part(row.report, Subject(row.kind, row.namespace, row.name, uid), bytes(row.body))


def _tops(
    work: CollectionWork, subjects: Sequence[str], moved: Mapping[str, Top | None]
) -> dict[str, Top]:
    """Find the top-level workload of each object that is there."""
    seen = SeenObject.objects.filter(cluster=work.cluster)
    roots = dict(seen.filter(uid__in=subjects).values_list("uid", "top_uid"))
    tops = {
        row.uid: Top(row.uid, row.kind, row.name)
        for row in seen.filter(uid__in=set(roots.values())).only("uid", "kind", "name")
    }
    found = {uid: tops[root] for uid, root in roots.items() if root in tops}
    found.update((uid, top) for uid in subjects if (top := moved.get(uid)) is not None)
    for uid in subjects:
        if uid in moved and moved[uid] is None:
            found.pop(uid, None)
    return found


def _store(
    work: CollectionWork,
    told: Mapping[str, _Told],
    tops: Mapping[str, Top],
    counted: Mapping[str, str],
    findings: Findings,
) -> set[TallyKey]:
    difference = _Difference()
    rows: dict[Key, Fields] = {}
    parts: dict[Key, Fields] = {}
    for uid, one in told.items():
        subject, top = one.subject, tops.get(uid)
        standing = standing_of(uid, top)
        if one.standing is not None:
            before = told_of([part for _, part, _ in one.before.values()], counted)
            difference.count(before, subject, one.standing, sign=-1)
        after = told_of(list(one.after.values()), counted)
        difference.count(after, subject, standing, sign=1)
        rows.update(result_rows(subject, after, top))
        parts.update((key, part_fields(part, standing)) for key, part in one.after.items())
    subjects = list(told)
    replace_rows(
        ObservedResult,
        scope=work.scope,
        within={"uid__in": subjects},
        key=("source", "policy", "raw_rule", "uid"),
        compared=("content_hash",),
        rows=rows,
        born=findings.born,
        before_delete=findings.close,
        before_update=findings.turn,
    )
    replace_rows(
        ReportPart,
        scope=work.scope,
        within={"subject__in": subjects},
        key=("report", "subject"),
        compared=("content_hash", "standing"),
        rows=parts,
    )
    return _add_tallies(work, difference, counted)


def _add_tallies(
    work: CollectionWork, difference: _Difference, counted: Mapping[str, str]
) -> set[TallyKey]:
    """Add a difference to the stored tallies; the parts are stored already. Name the tallies that are gone."""
    keys = difference.numbers
    rows = ResultTally.objects.filter(
        cluster=work.cluster,
        policy__in={policy for _, policy, _ in keys},
        namespace__in={namespace for *_, namespace in keys},
    ).values_list("source", "policy", "namespace", "pk", "newest_at", "oldest_at", *COLUMNS)
    stored = {row[:3]: _Stored(row[3], row[4], row[5], numbers=row[6:]) for row in rows}
    unclear = {key for key in keys if _is_unclear(stored.get(key), difference, key)}
    clear = _times_of_namespaces(work, unclear, counted)
    gone: dict[int, Key] = {}
    changed: list[Fields] = []
    new: list[Fields] = []
    for key, delta in keys.items():
        row = stored.get(key)
        numbers = {
            column: known + number
            for column, known, number in zip(
                COLUMNS, row.numbers if row else _NOTHING, delta, strict=True
            )
        }
        times = clear[key] if key in unclear else _joined(row, difference.added[key])
        fields = {**numbers, **time_fields(times)}
        written = {**fields, "changed_at": work.run.started_at}
        if row is None:
            named = dict(zip(("source", "policy", "namespace"), key, strict=True))
            new.append({**work.scope, **named, **written})
        elif not any(numbers.values()):
            gone[row.pk] = key
        elif tuple(fields.values()) != (*row.numbers, row.newest_at, row.oldest_at):
            changed.append({"id": row.pk, **written})
    change_rows(ResultTally, gone=gone, changed=changed, new=new)
    return set(gone.values())


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tally as it is stored."""

    pk: int
    newest_at: datetime | None
    oldest_at: datetime | None
    numbers: tuple[int, ...]
    """Those of `COLUMNS`."""

    @property
    def has_judgements(self) -> bool:
        """There are results that have a time, or should have one."""
        return any(self.numbers[OUTCOME_AT[o]] for o in Outcome if o is not Outcome.SKIP)


def _is_unclear(row: _Stored | None, difference: _Difference, key: TallyKey) -> bool:
    """Say whether the times of a tally may have rested on what is gone: then they are read from the parts again."""
    if row is None:
        return False
    if row.oldest_at is None and row.has_judgements:
        return True
    removed = difference.removed.get(key)
    if removed is None or row.oldest_at is None:
        return False
    oldest, newest = row.oldest_at.timestamp(), row.newest_at.timestamp() if row.newest_at else 0
    added = difference.added[key]
    return removed.oldest <= oldest or (removed.newest >= newest and added.newest < newest)


def _joined(row: _Stored | None, added: Times) -> Times:
    if row is None:
        return added
    joined = Times(added.newest, added.oldest, is_whole=added.is_whole)
    if row.newest_at is not None:
        joined.add(int(row.newest_at.timestamp()))
        joined.is_whole = joined.is_whole and row.oldest_at is not None
    if row.oldest_at is not None:
        joined.add(int(row.oldest_at.timestamp()))
    return joined


def _times_of_namespaces(
    work: CollectionWork, keys: Collection[TallyKey], counted: Mapping[str, str]
) -> dict[TallyKey, Times]:
    times: dict[TallyKey, Times] = {key: Times() for key in keys}
    for namespaces in batches(sorted({namespace for *_, namespace in keys}), LOOKUP_SIZE):
        by_subject: dict[str, list[Part]] = defaultdict(list)
        rows = ReportPart.objects.filter(cluster=work.cluster, namespace__in=namespaces)
        for report, subject, namespace, body in rows.values_list(
            "report", "subject", "namespace", "body"
        ).iterator(chunk_size=2000):
            part = Part(report, Subject("", namespace, "", subject), bytes(body))
            by_subject[subject].append(part)
        for parts in by_subject.values():
            namespace = parts[0].subject.namespace
            for (source, policy), seconds in times_of(told_of(parts, counted)):
                if (wanted := times.get((source, policy, namespace))) is not None:
                    wanted.add(seconds)
    return times


def _is_judged(
    told: Mapping[str, _Told], counted: Mapping[str, str], tops: Mapping[str, Top], key: Key
) -> bool:
    """Say whether reports still judge the object of a row's key by its policy, and it is a top-level workload."""
    one = told.get(key[3])
    if one is None or standing_of(key[3], tops.get(key[3])) is not Standing.TOP:
        return False
    entries = told_of(list(one.after.values()), counted)
    return any((e.source, e.policy) == key[:2] for e in entries)
