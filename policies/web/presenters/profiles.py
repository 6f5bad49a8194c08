"""Custom profiles in words: questions and answers, findings beside their lines, exports, and what a pod says."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.domain.controls import Mechanism
from policies.domain.profiles import Check, Finding, Question, Severity
from policies.domain.profiles.apparmor_abstract import NotExportable
from policies.domain.profiles.operator_objects import (
    APPARMOR_VERSIONS,
    SECCOMP_VERSIONS,
    Export,
    Imported,
    export,
)
from policies.domain.profiles.pods import Place, localhost_value, security_context
from policies.domain.profiles.versions import TooLongToCompare, text_diff
from policies.queries.profiles import ProfileRow, names_in_use
from policies.web.presenters.diffs import Block, diff_blocks

LINES_SHOWN = 3000
FINDINGS_SHOWN = 60

MECHANISM_TITLES = {Mechanism.SECCOMP: "seccomp", Mechanism.APPARMOR: "AppArmor"}
_TITLES = {
    (Mechanism.SECCOMP, Question.VALID): "Valid by OCI",
    (Mechanism.SECCOMP, Question.PORTABLE): "Portable",
    (Mechanism.SECCOMP, Question.USABLE): "Usable",
    (Mechanism.APPARMOR, Question.VALID): "Valid",
    (Mechanism.APPARMOR, Question.ENFORCING): "Enforces",
    (Mechanism.APPARMOR, Question.USABLE): "Usable",
}
_PLACES = {
    Place.OPERATOR: "Installed by the Security Profiles Operator, 0.9 and newer",
    Place.FILE: "A file below seccomp/profiles/ in the kubelet's folder",
}


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    """One answer with the title of its question and the family of its mark."""

    title: str
    family: str
    answer: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """A check as a page shows it."""

    verdicts: tuple[ShownVerdict, ...]
    findings: tuple[Finding, ...]
    more_count: int
    names: tuple[str, ...]
    error_count: int
    warning_count: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text, with the worst severity that a finding gives it."""

    number: int
    text: str
    severity: str


@dataclass(frozen=True, slots=True)
class Use:
    """One way to use a profile: the value of the field, and a snippet."""

    title: str
    value: str
    snippet: str


@dataclass(frozen=True, slots=True)
class ShownExport:
    """An object of the operator in one API version, or why there is none."""

    version: str
    export: Export | None
    trouble: str


@dataclass(frozen=True, slots=True)
class ProfileTable:
    """The profiles of one mechanism in use, with the titles of their questions."""

    mechanism: Mechanism
    title: str
    questions: tuple[str, ...]
    rows: tuple[tuple[ProfileRow, ShownCheck, str], ...]
    """Each with the value that a pod gives."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed between two texts, or why nobody knows."""

    blocks: tuple[Block, ...]
    trouble: str


@dataclass(frozen=True, slots=True)
class ShownImport:
    """One recorded profile, and where it can go."""

    found: Imported
    check: ShownCheck
    existing: tuple[int, int] | None
    """Id and last number of a profile of this name."""


def shown_check(check: Check) -> ShownCheck:
    """Word a check; of very many findings the first ones."""
    return ShownCheck(
        tuple(
            ShownVerdict(
                _TITLES[check.mechanism, v.question],
                f"profile-{v.question.value}",
                v.answer.value,
                v.sentence,
            )
            for v in check.verdicts
        ),
        check.findings[:FINDINGS_SHOWN],
        max(0, len(check.findings) - FINDINGS_SHOWN),
        check.names,
        _count(check.findings, Severity.ERROR),
        _count(check.findings, Severity.WARNING),
    )


def _count(findings: Iterable[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)


def numbered(text: str, findings: tuple[Finding, ...]) -> tuple[tuple[Line, ...], int]:
    """Number the lines of a text, and count those that are left out of a very long one."""
    worst: dict[int, str] = {}
    for finding in findings:
        if finding.line and finding.severity is not Severity.INFO:
            worst.setdefault(finding.line, finding.severity.value)
    every = text.split("\n")
    if every[-1] == "":
        every.pop()
    lines = tuple(
        Line(number, line.rstrip("\r"), worst.get(number, ""))
        for number, line in enumerate(every[:LINES_SHOWN], 1)
    )
    return lines, max(0, len(every) - LINES_SHOWN)


def uses(mechanism: Mechanism, name: str, check: Check) -> tuple[Use, ...]:
    """List what a pod says to use a profile; for AppArmor one for each name that the text loads."""
    if mechanism is Mechanism.SECCOMP:
        values = [(_PLACES[p], localhost_value(mechanism, name, p)) for p in Place]
    else:
        values = [(f"The profile {n}, loaded from the text", n) for n in check.names]
        if name not in check.names:
            values.append(("Installed by the operator, which loads it by its own name", name))
    return tuple(Use(title, value, security_context(mechanism, value)) for title, value in values)


def exports(mechanism: Mechanism, name: str, text: str) -> tuple[ShownExport, ...]:
    """Write a profile for the operator in each API version that it serves."""
    is_seccomp = mechanism is Mechanism.SECCOMP
    versions = SECCOMP_VERSIONS if is_seccomp else APPARMOR_VERSIONS
    return tuple(_export(mechanism, name, text, version) for version in versions)


def _export(mechanism: Mechanism, name: str, text: str, version: str) -> ShownExport:
    try:
        return ShownExport(version, export(mechanism, name, text, version), "")
    except NotExportable as error:
        return ShownExport(version, None, str(error))


def tables(rows: tuple[ProfileRow, ...]) -> tuple[ProfileTable, ...]:
    """Group the profiles in use by mechanism."""
    return tuple(
        ProfileTable(
            mechanism,
            title,
            tuple(t for (m, _), t in _TITLES.items() if m is mechanism),
            tuple(
                (row, shown_check(row.check), _value(row))
                for row in rows
                if row.mechanism is mechanism and row.retired_at is None
            ),
        )
        for mechanism, title in MECHANISM_TITLES.items()
    )


def _value(row: ProfileRow) -> str:
    found = uses(row.mechanism, row.name, row.check)
    return found[0].value if found else ""


def compared(before: str, after: str) -> Comparison:
    """Compare two texts in blocks of lines, or say why not."""
    try:
        return Comparison(diff_blocks(text_diff(before, after)), "")
    except TooLongToCompare as error:
        return Comparison((), str(error))


def shown_imports(
    found: tuple[Imported, ...], checks: tuple[Check, ...]
) -> tuple[ShownImport, ...]:
    """Word what was read from the operator's objects."""
    in_use = {mechanism: names_in_use(mechanism) for mechanism in Mechanism}
    return tuple(
        ShownImport(each, shown_check(check), in_use[each.mechanism].get(each.name))
        for each, check in zip(found, checks, strict=True)
    )
