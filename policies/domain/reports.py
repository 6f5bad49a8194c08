"""Reads one PolicyReport into results. What a result means for a namespace is decided in `readiness`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from policies.domain.objects import PolicyReport, ReportResult, ReportScope, ReportTimestamp

# Longest first: Kyverno names the rules that it derives for CronJobs with both words.
_AUTOGEN_PREFIXES = ("autogen-cronjob-", "autogen-")


class MalformedReport(ValueError):
    """The report says something that the report API does not know; it is counted and named, not guessed."""


class Outcome(StrEnum):
    """What a rule said about an object."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    ERROR = "error"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Result:
    """One rule's word on one object."""

    source: str
    """The engine that judged: `kyverno`, `KyvernoValidatingPolicy`, … or another producer."""
    policy: str
    rule: str
    """Without the prefix of a derived rule; empty for a ValidatingPolicy."""
    raw_rule: str
    outcome: Outcome
    message: str
    at: datetime | None
    """When it was judged, to the second, in UTC; None when the report does not say."""
    kind: str
    """Of the object, as are the next three; empty when the report has no scope."""
    namespace: str
    name: str
    uid: str
    exceptions: tuple[str, ...] = ()
    """Names, without their namespace, of the exceptions that made this a skip; empty for any other skip."""


def read_results(report: PolicyReport) -> tuple[Result, ...]:
    """Read every result of a report, in its order.

    Raises:
        MalformedReport: an outcome or a time is none.
    """
    scope = report.scope or ReportScope()
    namespace = scope.namespace or report.metadata.namespace
    return tuple(_result(result, scope, namespace) for result in report.results or ())


def fold_rule(rule: str) -> str:
    """Give the name of the rule as its author wrote it, without the prefix of a derived rule."""
    for prefix in _AUTOGEN_PREFIXES:
        if rule.startswith(prefix):
            return rule[len(prefix) :]
    return rule


def _result(result: ReportResult, scope: ReportScope, namespace: str) -> Result:
    return Result(
        source=result.source,
        policy=result.policy,
        rule=fold_rule(result.rule),
        raw_rule=result.rule,
        outcome=_outcome(result),
        message=result.message,
        at=_at(result.timestamp),
        kind=scope.kind,
        namespace=namespace,
        name=scope.name,
        uid=scope.uid,
        exceptions=_exceptions(result),
    )


_BY_EXCEPTION = "rule is skipped due to policy exception"


def _exceptions(result: ReportResult) -> tuple[str, ...]:
    """Tell a skip by exception from any other: the message says so, a property names them (kyverno-facts 4.5, 4.13)."""
    if result.result != Outcome.SKIP or not result.message.startswith(_BY_EXCEPTION):
        return ()
    named = (result.properties or {}).get("exceptions", "")
    return tuple(name.strip() for name in named.split(",") if name.strip())


def _outcome(result: ReportResult) -> Outcome:
    try:
        return Outcome(result.result)
    except ValueError:
        raise MalformedReport(
            f"Policy {result.policy!r} has the outcome {result.result!r}, which is none."
        ) from None


def _at(timestamp: ReportTimestamp | None) -> datetime | None:
    if timestamp is None or timestamp.seconds == 0:
        return None
    try:
        return datetime.fromtimestamp(timestamp.seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        raise MalformedReport(f"{timestamp.seconds} is not a time.") from None
