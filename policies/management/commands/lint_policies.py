"""`manage.py lint_policies PATH… | -`: what is wrong with some Kyverno policies. Asks no database and no cluster."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from policies.domain.lint import (
    JUDGED_FAMILIES,
    SEVERITIES,
    Document,
    Facts,
    LintFinding,
    Policy,
    Severity,
    Trouble,
    lint,
    read_documents,
    read_version,
    recognise,
)
from policies.domain.lint.documents import SIZE_LIMIT

ENDINGS = (".yaml", ".yml", ".json")
CLEAN, FOUND, NOT_UNDERSTOOD = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Judged:
    path: str
    document: Document
    policy: Policy
    findings: tuple[LintFinding, ...]


class Command(BaseCommand):
    help = "Lint Kyverno policies. Exits with 0 when clean, 1 with findings, 2 when some input was not understood."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "paths", nargs="+", metavar="PATH", help="file, directory, or - for stdin"
        )
        parser.add_argument("--kubernetes", default="", help="version of the cluster, such as 1.30")
        parser.add_argument("--kyverno", default="", help="version of its Kyverno, such as 1.19.1")
        parser.add_argument("--output", choices=("text", "json"), default="text")
        parser.add_argument(
            "--fail-on",
            choices=[s.value for s in SEVERITIES],
            default=Severity.WARNING.value,
            help="the mildest severity that makes the exit 1",
        )

    def handle(self, *_: object, **options: Any) -> None:
        facts = Facts(_version(options["kubernetes"]), _version(options["kyverno"]))
        judged: list[_Judged] = []
        troubles: list[tuple[str, Trouble]] = []
        for path in options["paths"]:
            for name, text in _texts(path):
                read = read_documents(text)
                troubles += [(name, trouble) for trouble in read.troubles]
                judged += [_judge(name, document, facts) for document in read.documents]
        write = _json if options["output"] == "json" else _lines
        self.stdout.write(write(judged, troubles))
        code = _exit_code(judged, troubles, Severity(options["fail_on"]))
        if code != CLEAN:
            sys.exit(code)


def _version(text: str) -> tuple[int, int, int] | None:
    version = read_version(text)
    if text and version is None:
        raise CommandError(f"{text!r} is no version.", returncode=NOT_UNDERSTOOD)
    return version


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == "-":
        yield path, sys.stdin.read(SIZE_LIMIT + 1)
        return
    given = Path(path)
    if given.is_dir():
        files = sorted(f for f in given.rglob("*") if f.suffix in ENDINGS and f.is_file())
    elif given.is_file():
        files = [given]
    else:
        raise CommandError(f"There is no file {path}.", returncode=NOT_UNDERSTOOD)
    for file in files:
        with file.open("rb") as opened:
            yield str(file), opened.read(SIZE_LIMIT + 1).decode("utf-8", errors="replace")


def _judge(path: str, document: Document, facts: Facts) -> _Judged:
    policy = Policy(document.manifest)
    return _Judged(path, document, policy, lint(document.manifest, facts))


def _exit_code(
    judged: list[_Judged], troubles: list[tuple[str, Trouble]], mildest: Severity
) -> int:
    if troubles:
        return NOT_UNDERSTOOD
    counting = SEVERITIES[: SEVERITIES.index(mildest) + 1]
    found = any(f.severity in counting for one in judged for f in one.findings)
    return FOUND if found else CLEAN


def _lines(judged: list[_Judged], troubles: list[tuple[str, Trouble]]) -> str:
    out: list[str] = []
    for one in judged:
        if one.policy.family not in JUDGED_FAMILIES:
            kind = one.policy.kind or "no kind"
            out.append(f"{one.path}:{one.document.line}: not judged: {kind}")
        for finding in one.findings:
            line = one.document.line_of(finding.steps)
            tail = f" {finding.detail}" if finding.detail else ""
            out.append(
                f"{one.path}:{line}: {finding.severity}: {finding.title} [{finding.id}]{tail}"
            )
    out += [
        f"{path}:{trouble.line}: not understood: {trouble.message}" for path, trouble in troubles
    ]
    counts = _counts(judged)
    summary = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    return "\n".join([*out, f"{len(judged)} objects: {summary}; {len(troubles)} not understood"])


def _counts(judged: list[_Judged]) -> dict[str, int]:
    found = [f.severity for one in judged for f in one.findings]
    return {severity.value: found.count(severity) for severity in SEVERITIES}


def _json(judged: list[_Judged], troubles: list[tuple[str, Trouble]]) -> str:
    report = {
        "policies": [_policy(one) for one in judged],
        "errors": [
            {"path": path, "document": t.number, "line": t.line, "message": t.message}
            for path, t in troubles
        ],
        "summary": {"objects": len(judged), "not_understood": len(troubles), **_counts(judged)},
    }
    return json.dumps(report, indent=2)


def _policy(one: _Judged) -> dict[str, Any]:
    return {
        "path": one.path,
        "document": one.document.number,
        "item": one.document.item,
        "kind": one.policy.kind,
        "name": one.policy.name,
        "judged": one.policy.family in JUDGED_FAMILIES,
        "means": [
            {"control": i.control.value, "sureness": i.sureness.name.lower()}
            for i in recognise(one.policy)
        ],
        "findings": [_finding(one, finding) for finding in one.findings],
    }


def _finding(one: _Judged, finding: LintFinding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "title": finding.title,
        "line": one.document.line_of(finding.steps),
        "path": finding.path,
        "rule": finding.rule,
        "what_happens": finding.what_happens,
        "detail": finding.detail,
        "since": finding.since,
        "fix": finding.fix,
        "references": list(finding.references),
    }
