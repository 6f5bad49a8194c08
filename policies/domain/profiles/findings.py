"""What the checks of a custom profile say: findings with a reason and a fix, and one answer for each question."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from policies.domain.controls import Mechanism


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Question(StrEnum):
    """What a profile is asked; each has its own answer."""

    VALID = "valid"
    PORTABLE = "portable"
    ENFORCING = "enforcing"
    USABLE = "usable"


class Answer(StrEnum):
    YES = "yes"
    DOUBTFUL = "doubtful"
    NO = "no"
    NEWER = "newer"
    """Written for a newer parser than the one at hand."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one runtime does with it."""

    runtime: str
    what: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a profile that somebody should know."""

    id: str
    question: Question
    severity: Severity
    what: str
    fix: str = ""
    where: str = ""
    """A JSON path, or the name of an AppArmor profile."""
    line: int | None = None
    """Counted from 1."""
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question, and the sentence that says it."""

    question: Question
    answer: Answer
    sentence: str


@dataclass(frozen=True, slots=True)
class Check:
    """Everything that was found out about the text of one profile."""

    mechanism: Mechanism
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    names: tuple[str, ...] = ()
    """AppArmor profiles that the text loads, in order; empty for seccomp."""

    def answer(self, question: Question) -> Answer:
        """Give the answer to one question. Raises KeyError for one that this mechanism is not asked."""
        return {verdict.question: verdict.answer for verdict in self.verdicts}[question]


_ORDER = {severity: rank for rank, severity in enumerate(Severity)}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by severity, then by line."""
    return tuple(sorted(findings, key=lambda f: (_ORDER[f.severity], f.line or 0, f.id, f.where)))


def worst(findings: Iterable[Finding], question: Question) -> Severity | None:
    """Find the worst severity among the findings on one question."""
    found = {f.severity for f in findings if f.question is question}
    return next((severity for severity in Severity if severity in found), None)


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Join names, the first few by name."""
    every = list(names)
    rest = len(every) - limit
    return ", ".join(every[:limit]) + (f" and {rest} more" if rest > 0 else "")
