"""Reports as tests look at them: each result with its object, in one flat row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from policies.domain.objects import PolicyReport
from policies.domain.reports import Outcome, read_parts


@dataclass(frozen=True)
class Result:
    """One rule's word on one object."""

    source: str
    policy: str
    rule: str
    raw_rule: str
    outcome: Outcome
    message: str
    at: datetime | None
    kind: str
    namespace: str
    name: str
    uid: str
    exceptions: tuple[str, ...]


def read_results(report: PolicyReport) -> tuple[Result, ...]:
    """Read every result of a report."""
    return tuple(_results(report))


def _results(report: PolicyReport) -> Iterator[Result]:
    for subject, entries in read_parts(report).items():
        for entry in entries:
            yield Result(
                source=entry.source,
                policy=entry.policy,
                rule=entry.rule,
                raw_rule=entry.raw_rule,
                outcome=Outcome(entry.outcome),
                message=entry.message,
                at=entry.at,
                exceptions=entry.exceptions,
                **subject._asdict(),
            )
