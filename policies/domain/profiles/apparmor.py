"""Checks the text of AppArmor profiles: a light parser always, and what `apparmor_parser` said where it was asked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from policies.domain.controls import Mechanism
from policies.domain.profiles.apparmor_lint import lint_findings, newer_words
from policies.domain.profiles.apparmor_text import ProfileText, read_profiles
from policies.domain.profiles.findings import (
    Answer,
    Check,
    Finding,
    Question,
    Severity,
    Verdict,
    in_order,
    listed,
    worst,
)

_INCLUDES = re.compile(r"(?<![/\w])(?:include|abi)\b(?:\s+if\s+exists\b)?\s*([^\s,]?[^\n,]*)")
_OUTSIDE = re.compile(r"""["<\s]*/|.*(?:\.\.[/\\]|\\)""")
_VARIABLE = re.compile(r"@\{(\w+)\}")
_BUILT_IN = frozenset({"profile_name", "exec_path", "attach_path"})


class ParserOutcome(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"
    """It gave no answer: too slow, too large, or killed."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ParserAnswer:
    """What `apparmor_parser` said about a text."""

    outcome: ParserOutcome
    message: str = ""
    line: int | None = None
    version: str = ""
    names: tuple[str, ...] = ()


ABSENT = ParserAnswer(ParserOutcome.ABSENT)


def outside_includes(text: str) -> tuple[tuple[str, int], ...]:
    """Find what a text includes by an absolute path or upwards, and its lines; comments count too."""
    return tuple(
        (match[1].strip(' "<>'), text.count("\n", 0, match.start()) + 1)
        for match in _INCLUDES.finditer(text)
        if _OUTSIDE.match(match[1])
    )


def check_apparmor(text: str, parser: ParserAnswer = ABSENT) -> Check:
    """Check the text of AppArmor profiles; never raises for what somebody typed."""
    profiles = read_profiles(text)
    light = tuple(_light(text, profiles))
    newer = tuple(newer_words(profiles))
    lint = tuple(lint_findings(profiles))
    outside = tuple(_outside(text))
    valid = _valid(light, outside, newer, parser)
    found = in_order(
        (*_kept(light, parser), *outside, *_newer(newer), *_said(newer, parser), *lint)
    )
    verdicts = (valid, _enforcing(found, profiles), _usable(found, valid))
    names = parser.names or tuple(block.name for block in profiles.profiles if block.name)
    return Check(Mechanism.APPARMOR, verdicts, found, names)


def _light(text: str, profiles: ProfileText) -> Iterator[Finding]:
    for trouble in profiles.troubles:
        yield _invalid(trouble.id, trouble.what, trouble.fix, trouble.line)
    if not profiles.profiles:
        what = "No profile stands in this text: loading it would load nothing."
        yield _invalid("no-profile", what, "Write: profile NAME { … }.", 1)
    seen: set[str] = set()
    for block in profiles.profiles:
        if block.name in seen:
            what = f"A second profile is named {block.name}."
            yield _invalid("name-twice", what, "Rename one of them.", block.line)
        seen.add(block.name)
    yield from _endings(text)
    yield from _variables(profiles)


def _invalid(
    id_: str, what: str, fix: str, line: int | None, severity: Severity = Severity.ERROR
) -> Finding:
    return Finding(id_, Question.VALID, severity, what, fix, "", line)


def _endings(text: str) -> Iterator[Finding]:
    last = text.rpartition("\n")[2]
    count = text.count("\n") + 1
    if re.search(r"(?:^|\s)#(?!include)", last):
        what = "The last line is a comment without an end: the parser refuses it."
        yield _invalid("comment-without-newline", what, "End the text with a new line.", count)
    if "\r" in text:
        what = "Lines end as on Windows (CR LF); some versions of the parser refuse that."
        line = text.count("\n", 0, text.index("\r")) + 1
        yield _invalid("carriage-return", what, "Save it with LF.", line, Severity.WARNING)


def _variables(profiles: ProfileText) -> Iterator[Finding]:
    if profiles.includes:
        return
    known = set(profiles.variables.keys() | _BUILT_IN)
    for block in profiles.blocks():
        for rule in block.rules:
            for name in _VARIABLE.findall(rule.text):
                if name not in known:
                    known.add(name)
                    what = f"Nothing declares the variable {name[:40]}."
                    fix = "Include <tunables/global> before the profile, or declare it."
                    yield _invalid("unknown-variable", what, fix, rule.line)


def _outside(text: str) -> Iterator[Finding]:
    for path, line in outside_includes(text):
        what = f"It includes “{path[:80]}”, outside of the parser's own folder."
        fix = "Include by name, as in <abstractions/base>; a node has no other files of yours."
        yield _invalid("outside-include", what, fix, line)


def _newer(newer: tuple[tuple[str, int], ...]) -> Iterator[Finding]:
    for word, line in newer:
        what = f"“{word}” is syntax of AppArmor 4: a node with a parser of AppArmor 3 refuses the profile."
        yield _invalid(
            "newer-syntax",
            what,
            "Use it only where every node has AppArmor 4.",
            line,
            Severity.WARNING,
        )


def _kept(light: tuple[Finding, ...], parser: ParserAnswer) -> Iterator[Finding]:
    """Leave out what the light parser holds for an error once the real one has accepted the text."""
    for finding in light:
        overruled = parser.outcome is ParserOutcome.ACCEPTED and finding.severity is Severity.ERROR
        if not overruled:
            yield finding


def _said(newer: tuple[tuple[str, int], ...], parser: ParserAnswer) -> Iterator[Finding]:
    if parser.outcome is ParserOutcome.REFUSED and not newer:
        what = f"apparmor_parser refuses it: {parser.message}."
        yield _invalid("parser-refused", what, "Mend the text at this place.", parser.line)


def _valid(
    light: tuple[Finding, ...],
    outside: tuple[Finding, ...],
    newer: tuple[tuple[str, int], ...],
    parser: ParserAnswer,
) -> Verdict:
    ask = Question.VALID
    by = f"apparmor_parser {parser.version}".rstrip()
    if outside:
        return Verdict(
            ask, Answer.NO, "Refused here: it includes files outside of the parser's folder."
        )
    if parser.outcome is ParserOutcome.ACCEPTED:
        return Verdict(ask, Answer.YES, f"{by} compiles it.")
    if newer and not _errors(light):
        return Verdict(
            ask, Answer.NEWER, "It needs a parser of AppArmor 4; the one here cannot judge it."
        )
    if parser.outcome is ParserOutcome.REFUSED:
        return Verdict(ask, Answer.NO, f"{by} refuses it.")
    if _errors(light):
        return Verdict(ask, Answer.NO, "The light parser of secprof finds it broken.")
    why = parser.message or "it is not installed here"
    return Verdict(ask, Answer.UNKNOWN, f"It needs apparmor_parser to judge: {why}.")


def _errors(findings: tuple[Finding, ...]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _enforcing(found: tuple[Finding, ...], profiles: ProfileText) -> Verdict:
    ask = Question.ENFORCING
    loose = [finding.where for finding in found if finding.question is ask]
    if loose:
        return Verdict(ask, Answer.NO, f"It refuses nothing in {listed(dict.fromkeys(loose))}.")
    if not profiles.profiles:
        return Verdict(ask, Answer.UNKNOWN, "There is no profile in it.")
    return Verdict(ask, Answer.YES, "What no rule grants is refused.")


def _usable(found: tuple[Finding, ...], valid: Verdict) -> Verdict:
    ask = Question.USABLE
    severity = worst(found, ask)
    if severity is Severity.ERROR:
        return Verdict(ask, Answer.NO, "It does not do what it says.")
    if valid.answer is Answer.NO:
        return Verdict(ask, Answer.UNKNOWN, "Nobody can say before it is valid.")
    if severity is Severity.WARNING:
        return Verdict(ask, Answer.DOUBTFUL, "It may work; read the warnings first.")
    return Verdict(
        ask, Answer.YES, "Nothing speaks against it; only a run of the program proves it."
    )
