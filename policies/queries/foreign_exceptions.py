"""Stub."""

from dataclasses import dataclass
from typing import Any

from policies.models import ExceptionRequest
from policies.queries.exceptions import BoardFilter
from policies.queries.reach import Reach


@dataclass(frozen=True, slots=True)
class ForeignRow:
    id: int


def foreign_matching(wanted: BoardFilter, *, reach: Reach) -> Any:
    return ExceptionRequest.objects.none()


def foreign_row(row: Any) -> ForeignRow:
    return ForeignRow(row.pk)
