"""What the lint knows of one flaw, where it found it, and what it says about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from policies.domain.lint.policy import Policy
from policies.domain.lint.reading import Steps
from policies.domain.lint.versions import Facts


class Severity(StrEnum):
    """How bad a finding is: it does not do what it says, it will hurt, or it is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Spot:
    """One place in a policy where a lint holds."""

    steps: Steps
    detail: str = ""
    """What is special about this place, as a sentence."""
    severity: Severity | None = None
    """When it differs from that of the lint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """One flaw that a policy can have, in words, and the function that finds it."""

    id: str
    severity: Severity
    title: str
    what_happens: str
    since: str
    fix: str
    references: tuple[str, ...]
    find: Callable[[Policy, Facts], Iterable[Spot]]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One flaw at one place of one policy."""

    id: str
    severity: Severity
    title: str
    path: str
    """JSON path to the field."""
    rule: str
    """Name of the rule that it stands in; empty outside of rules."""
    what_happens: str
    detail: str
    """What is special about this place; empty when nothing is."""
    since: str
    fix: str
    references: tuple[str, ...]
    steps: Steps
    """The path as keys and indexes, to find its line."""
