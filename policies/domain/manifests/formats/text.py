"""A report for people: one line a finding, what to do below it, and a summary at the end."""

from collections.abc import Iterator

from policies.domain.controls import Control
from policies.domain.manifests.records import RESULTS, Misread, Report, Row
from policies.domain.posture import Result


def as_text(report: Report) -> bytes:
    """Write what fails, what is unknown, what was not understood, and how much was seen."""
    return ("\n".join(_lines(report)) + "\n").encode()


def _lines(report: Report) -> Iterator[str]:
    for index, line in report.lines.items():
        row = report.rows[index]
        if row.result in (Result.FAIL, Result.UNKNOWN):
            yield _row(row, line)
            if row.fix:
                yield f"    {row.fix}."
    for misread in report.misread:
        yield _misread(misread)
    yield from _summary(report)


def _row(row: Row, line: int) -> str:
    name = f"{row.namespace}/{row.name}" if row.namespace else row.name
    return f"{row.path}:{line}: {row.result} {row.control}: {row.kind} {name}: {row.message}"


def _misread(misread: Misread) -> str:
    place = f"{misread.path}:{misread.line}" if misread.line else misread.path
    document = f" document {misread.document}:" if misread.document else ""
    return f"{place}: not understood:{document} {misread.message}"


def _summary(report: Report) -> Iterator[str]:
    tally = report.tally
    yield ""
    yield (
        f"files: {tally.files}, workloads: {tally.workloads}, not evaluated: {tally.not_evaluated},"
        f" other objects: {tally.skipped}, not understood: {len(report.misread)}"
    )
    for control in report.controls:
        yield f"{control}: {_counts(report, control)}"


def _counts(report: Report, control: Control) -> str:
    counts = report.results[control]
    return ", ".join(f"{counts[result]} {result}" for result in RESULTS)
