"""A report as SARIF 2.1.0, as code hosts show it beside the lines of a change. Only what fails or is unknown is in it."""

from hashlib import sha256
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from policies.domain.controls import Control
from policies.domain.manifests.formats.titles import TITLES, reference_texts
from policies.domain.manifests.records import Misread, Report, Row
from policies.domain.posture import Result

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> bytes:
    """Write one run: rules with their references, results, and what was not understood as notifications."""
    rules = {control: index for index, control in enumerate(report.controls)}
    run = {
        "tool": {"driver": {"name": "secprof", "rules": [_rule(c, report) for c in rules]}},
        "columnKind": "utf16CodeUnits",
        "results": [
            _result(report.rows[index], line, rules)
            for index, line in report.lines.items()
            if report.rows[index].result in (Result.FAIL, Result.UNKNOWN)
        ],
        "invocations": [
            {
                "executionSuccessful": not report.misread,
                "toolExecutionNotifications": [_notification(m) for m in report.misread],
            }
        ],
    }
    return msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}) + b"\n"


def _rule(control: Control, report: Report) -> dict[str, Any]:
    title, sentence = TITLES[control]
    references = reference_texts(control, report.facts)
    listed = "".join(f"\n- {reference}" for reference in references)
    return {
        "id": control,
        "name": "".join(word.capitalize() for word in control.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": sentence},
        "help": {
            "text": f"{sentence}\nEvidence for:{listed}",
            "markdown": f"{sentence}\n\nEvidence for:\n{listed}",
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "kubernetes"], "references": references},
    }


def _result(row: Row, line: int, rules: dict[Control, int]) -> dict[str, Any]:
    fails = row.result == Result.FAIL
    name = f"{row.kind} {row.namespace}/{row.name}" if row.namespace else f"{row.kind} {row.name}"
    text = f"{name}: {row.message}" + (f" {row.fix}." if row.fix else "")
    identity = "\0".join((row.control, row.path, name, row.container, row.field))
    return {
        "ruleId": row.control,
        "ruleIndex": rules[Control(row.control)],
        "kind": "fail" if fails else "open",
        "level": "error" if fails else "none",
        "message": {"text": text},
        "locations": [
            {
                **_place(row.path, line),
                "logicalLocations": [{"fullyQualifiedName": name, "kind": "object"}],
            }
        ],
        "partialFingerprints": {"secprof/v1": sha256(identity.encode()).hexdigest()},
    }


def _notification(misread: Misread) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": misread.message},
        "locations": [_place(misread.path, misread.line)],
    }


def _place(path: str, line: int) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(path)}}
    if line:
        physical["region"] = {"startLine": line}
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    if path == "-":
        return "stdin"
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix())
