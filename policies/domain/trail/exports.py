"""Rows of the trail as they leave: JSON lines that verify offline, and CSV that no spreadsheet runs as a formula."""

import json
from datetime import datetime
from typing import Any

from policies.domain.trail.records import FORM, TrailRecord, canonical_text, content

CSV_HEADER = (
    "sequence",
    "at",
    "actor",
    "verb",
    "cluster",
    "variant",
    "namespaces",
    "flip_id",
    "exception_id",
    "plan_digest",
    "outcome",
    "message",
    "details",
    "previous_hash",
    "hash",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_TEXTS = tuple(name for name in CSV_HEADER if name not in {"sequence", "namespaces", "details"})


class NoRow(ValueError):
    """A line that holds no row of a trail."""


def json_line(record: TrailRecord) -> str:
    """Write a row as one line of JSON: its canonical form and its hash. Raises ValueError, TypeError."""
    return canonical_text({**content(record), "hash": record.hash})


def csv_cells(record: TrailRecord) -> tuple[str, ...]:
    """Write a row as cells of CSV. Raises ValueError, TypeError."""
    values = {**content(record), "hash": record.hash}
    values["namespaces"] = " ".join(record.namespaces)
    values["details"] = canonical_text(record.details)
    return tuple(_harmless(str(values[name])) for name in CSV_HEADER)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_line(line: str) -> TrailRecord:
    """Read a line that `json_line` wrote. Raises NoRow."""
    try:
        value = json.loads(line, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise NoRow("It is no JSON.") from error
    if not isinstance(value, dict) or value.keys() != {"form", *CSV_HEADER}:
        raise NoRow("It does not have the fields of a row.")
    if value["form"] != FORM:
        raise NoRow("It is written in a form that this version does not know.")
    if type(value["sequence"]) is not int or not isinstance(value["details"], dict):
        raise NoRow("A field is of the wrong kind.")
    if not all(isinstance(value[name], str) for name in _TEXTS) or not _is_texts(
        value["namespaces"]
    ):
        raise NoRow("A field is of the wrong kind.")
    try:
        at = datetime.fromisoformat(value["at"])
    except ValueError as error:
        raise NoRow("Its time cannot be read.") from error
    del value["form"]
    record = TrailRecord(**{**value, "at": at, "namespaces": tuple(value["namespaces"])})
    # The same time can be written in two ways; a row is written in one.
    if at.tzinfo is None or content(record)["at"] != value["at"]:
        raise NoRow("Its time is not written as a row's is.")
    return record


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A key stands twice.")
    return found
