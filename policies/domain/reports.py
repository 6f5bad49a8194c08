"""Reads one report into what it says of each object. What a result means for a namespace is decided in `readiness`."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from policies.domain.objects import PolicyReport, ReportResult, ReportScope

# Longest first: Kyverno names the rules that it derives for CronJobs with both words.
_AUTOGEN_PREFIXES = ("autogen-cronjob-", "autogen-")
TEXT_LENGTH = 253
"""Of names in a report: the report API sets no limit, and other producers put sentences there. What is longer is cut."""
_LATEST_SECOND = 253402300799
"""The last second of the year 9999: no date lies beyond it."""


class MalformedReport(ValueError):
    """The report says something that the report API does not know; it is counted and named, not guessed."""


class Outcome(StrEnum):
    """What a rule said about an object."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    ERROR = "error"
    SKIP = "skip"


_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.WARN, Outcome.PASS, Outcome.SKIP)
_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_RANK = {outcome.value: -rank for rank, outcome in enumerate(_WORST_FIRST)}


class Subject(NamedTuple):
    """The object that results are about; empty where the report does not say."""

    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> str:
        """The uid; where there is none, a hash of everything else, which is no uid."""
        if self.uid:
            return self.uid
        said = "\0".join((self.kind, self.namespace, self.name)).encode()
        return f"unnamed-{hashlib.blake2b(said, digest_size=16).hexdigest()}"


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One rule's word on one object, as small as it can be kept."""

    source: str
    """The engine that judged: `kyverno`, `KyvernoValidatingPolicy`, … or another producer."""
    policy: str
    raw_rule: str
    """As the report has it, the prefix of a derived rule included; empty for a ValidatingPolicy."""
    outcome: str
    seconds: int
    """When it was judged, since 1970 in UTC; 0 when the report does not say."""
    message: str = ""
    """Empty for a pass, which nobody reads."""
    exceptions: tuple[str, ...] = ()
    """Names, without their namespace, of the exceptions that made this a skip; empty for any other skip."""

    @property
    def rule(self) -> str:
        return fold_rule(self.raw_rule)

    @property
    def at(self) -> datetime | None:
        return datetime.fromtimestamp(self.seconds, tz=UTC) if self.seconds else None


Entries = tuple[Entry, ...]


def read_parts(report: PolicyReport) -> Mapping[Subject, Entries]:
    """Read what a report says of each object: one object in its scope, or those that each result names.

    A rule that is told more than once about the same object counts once, by its newest result: some producers
    append. Raises MalformedReport when an outcome or a time is none.
    """
    scope = _subject(report.scope or ReportScope(), report.metadata.namespace)
    parts: dict[Subject, list[Entry]] = {}
    for result in report.results or ():
        entry = _entry(result, result.source or report.source)
        if not result.resources:
            parts.setdefault(scope, []).append(entry)
            continue
        for reference in result.resources:
            subject = _subject(reference, report.metadata.namespace)
            parts.setdefault(subject, []).append(entry)
    return {subject: _each_rule_once(entries) for subject, entries in parts.items()}


def _each_rule_once(entries: list[Entry]) -> Entries:
    rules = {(entry.source, entry.policy, entry.raw_rule) for entry in entries}
    return tuple(entries) if len(rules) == len(entries) else newest([entries])


def newest(told: Iterable[Iterable[Entry]]) -> Entries:
    """Keep of several reports on one object the newest word of each rule; of two at once the worse one."""
    kept: dict[tuple[str, str, str], Entry] = {}
    for entries in told:
        for entry in entries:
            known = kept.setdefault((entry.source, entry.policy, entry.raw_rule), entry)
            if known is not entry and _weight(entry) > _weight(known):
                kept[entry.source, entry.policy, entry.raw_rule] = entry
    return tuple(kept.values())


def fold_rule(rule: str) -> str:
    """Give the name of the rule as its author wrote it, without the prefix of a derived rule."""
    for prefix in _AUTOGEN_PREFIXES:
        if rule.startswith(prefix):
            return rule[len(prefix) :]
    return rule


def _weight(entry: Entry) -> tuple[int, int, str]:
    return entry.seconds, _RANK[entry.outcome], entry.message


def _subject(scope: ReportScope, namespace: str) -> Subject:
    return Subject(scope.kind, scope.namespace or namespace, scope.name, scope.uid)


def _entry(result: ReportResult, source: str) -> Entry:
    outcome = result.result
    if outcome not in _OUTCOMES:
        raise MalformedReport(
            f"Policy {result.policy!r} has the outcome {outcome!r}, which is none."
        )
    seconds = result.timestamp.seconds if result.timestamp else 0
    if not 0 <= seconds <= _LATEST_SECOND:
        raise MalformedReport(f"{seconds} is not a time.")
    source, policy = source[:TEXT_LENGTH], result.policy[:TEXT_LENGTH]
    rule = result.rule[:TEXT_LENGTH]
    if outcome == "pass":
        return Entry(source, policy, rule, outcome, seconds)
    return Entry(source, policy, rule, outcome, seconds, result.message, _exceptions(result))


_BY_EXCEPTION = "rule is skipped due to policy exception"


def _exceptions(result: ReportResult) -> tuple[str, ...]:
    """Tell a skip by exception from any other: the message says so, a property names them (kyverno-facts 4.5, 4.13)."""
    if result.result != Outcome.SKIP or not result.message.startswith(_BY_EXCEPTION):
        return ()
    named = (result.properties or {}).get("exceptions", "")
    return tuple(name.strip() for name in named.split(",") if name.strip())
