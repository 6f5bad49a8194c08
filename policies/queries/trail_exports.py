"""Rows of the trail on their way out, a piece at a time, however many there are."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO

from policies.domain.trail import (
    CSV_HEADER,
    UNHASHABLE,
    TrailRecord,
    Unreadable,
    csv_cells,
    json_line,
)
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.trail import TrailFilter, filtered
from policies.queries.trail_chain import rows_in_order


def exported(wanted: TrailFilter, *, form: str, before: int) -> Iterator[str]:
    """Yield the rows that a filter lets through, from the first on, as `jsonl` or `csv`.

    For whoever may export the trail, which takes a role on everything.

    A row that somebody has spoilt stands as a line that no verification takes for one.
    """
    rows = rows_in_order(filtered(wanted, reach=EVERYTHING_SEEN).filter(pk__lt=before))
    return _csv(rows) if form == "csv" else _lines(rows)


def _lines(rows: Iterator[TrailRecord | Unreadable]) -> Iterator[str]:
    for row in rows:
        yield f"{_line(row)}\n"


def _line(row: TrailRecord | Unreadable) -> str:
    if isinstance(row, TrailRecord):
        with suppress(*UNHASHABLE):
            return json_line(row)
    return f'{{"sequence":{row.sequence},"unreadable":true}}'


def _csv(rows: Iterator[TrailRecord | Unreadable]) -> Iterator[str]:
    yield _csv_line(CSV_HEADER)
    for row in rows:
        yield _csv_line(_cells(row))


def _cells(row: TrailRecord | Unreadable) -> tuple[str, ...]:
    if isinstance(row, TrailRecord):
        with suppress(*UNHASHABLE):
            return csv_cells(row)
    return (str(row.sequence), "unreadable")


def _csv_line(cells: tuple[str, ...]) -> str:
    written = StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return written.getvalue()
