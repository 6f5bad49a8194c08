"""A report as JSON: every row, every error, and a summary with the references of each control."""

from dataclasses import asdict
from typing import Any

import msgspec

from policies.domain.manifests.formats.titles import TITLES, reference_texts
from policies.domain.manifests.records import Report


def as_json(report: Report) -> bytes:
    """Write `{"results": […], "errors": […], "summary": {…}}`."""
    written = {"results": report.rows, "errors": report.misread, "summary": _summary(report)}
    return msgspec.json.encode(written) + b"\n"


def _summary(report: Report) -> dict[str, Any]:
    major, minor = report.facts.kubernetes
    return {
        "kubernetes": f"{major}.{minor}",
        **asdict(report.tally),
        "errors": len(report.misread),
        "exit_code": report.exit_code,
        "controls": {
            control: {
                "title": TITLES[control][0],
                **{str(result): count for result, count in report.results[control].items()},
                "references": reference_texts(control, report.facts),
            }
            for control in report.controls
        },
    }
