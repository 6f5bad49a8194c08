"""A report as JUnit's XML: a suite a file, a case an object and control."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from policies.domain.manifests.formats.titles import reference_texts
from policies.domain.manifests.records import Misread, Report, Row
from policies.domain.posture import Result

Case = tuple[str, str, str, str]
"""Kind, namespace, name, control."""

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(report: Report) -> bytes:
    """Write failures for what fails, skipped cases for what is unknown or not applicable, errors for what was not understood."""
    root = Element("testsuites", name="secprof")
    by_file: dict[str, list[tuple[Row, int]]] = {}
    for index, row in enumerate(report.rows):
        by_file.setdefault(row.path, []).append((row, report.lines.get(index, 0)))
    for misread in report.misread:
        by_file.setdefault(misread.path, [])
    for path, rows in by_file.items():
        root.append(_suite(path, rows, [m for m in report.misread if m.path == path], report))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    indent(root)
    written: bytes = tostring(root, "utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + written + b"\n"


def _suite(
    path: str, rows: list[tuple[Row, int]], misread: list[Misread], report: Report
) -> Element:
    suite = Element("testsuite", name=_text(path))
    properties = SubElement(suite, "properties")
    for control in report.controls:
        value = "; ".join(reference_texts(control, report.facts))
        SubElement(properties, "property", name=f"references.{control}", value=value)
    for (document, case), found in groupby(rows, _case_of):
        suite.append(_case(path, document, case, list(found)))
    for one in misread:
        suite.append(_error(one))
    counts = {
        "tests": len(suite) - 1,
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    for name, count in counts.items():
        suite.set(name, str(count))
    return suite


def _case_of(found: tuple[Row, int]) -> tuple[int, Case]:
    row, _ = found
    return row.document, (row.kind, row.namespace, row.name, row.control)


def _case(path: str, document: int, case: Case, found: list[tuple[Row, int]]) -> Element:
    kind, namespace, name, control = case
    shown = f"{namespace}/{name}" if namespace else name
    element = Element(
        "testcase", classname=_text(f"{kind} {shown}"), name=control, file=_text(path)
    )
    row, _ = found[0]
    if row.result == Result.FAIL:
        failure = SubElement(element, "failure", type=control, message=_text(row.message))
        failure.text = _text("\n".join(_lines(path, document, found)))
    elif row.result != Result.PASS:
        SubElement(element, "skipped", message=_text(f"{row.result}: {row.message}"))
    return element


def _lines(path: str, document: int, found: Iterable[tuple[Row, int]]) -> Iterator[str]:
    for row, line in found:
        yield f"{path}:{line} (document {document}): {row.message} {row.fix}."


def _error(misread: Misread) -> Element:
    name = f"document {misread.document}, line {misread.line}" if misread.document else "file"
    element = Element("testcase", classname="input", name=name, file=_text(misread.path))
    SubElement(element, "error", type="not-understood", message=_text(misread.message))
    return element


def _text(text: str) -> str:
    """Leave out what XML cannot hold."""
    return _NOT_IN_XML.sub("\ufffd", text)
