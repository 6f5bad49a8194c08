"""The board of exceptions: how many stand in each part, and one page of one part, in a fixed number of queries."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from policies.models import ExceptionRequest
from policies.queries.exception_flaws import flawed
from policies.queries.exceptions import (
    ORDERS,
    PAGE_SIZE,
    BoardFilter,
    Choices,
    ExceptionRow,
    Show,
    choices,
    exception_rows,
    matching,
    part_of_board,
    related,
)
from policies.queries.foreign_exceptions import ForeignRow, foreign_matching, foreign_rows
from policies.queries.reach import Reach

OWN_PARTS = (
    Show.ASKED,
    Show.UNDER_WAY,
    Show.IN_FORCE,
    Show.ENDING,
    Show.ENDED,
    Show.DRAFTS,
)


@dataclass(frozen=True, slots=True)
class Board:
    """One page of one part of the board."""

    counts: dict[Show, int]
    rows: tuple[ExceptionRow, ...]
    foreign: tuple[ForeignRow, ...]
    total_count: int
    page: int
    page_count: int
    choices: Choices


def load_board(wanted: BoardFilter, *, reach: Reach, user_id: int | None, now: datetime) -> Board:
    """Load one page of the board; the filters count for every part of it."""
    found = matching(wanted, reach=reach, user_id=user_id)
    flaws = flawed(found, now=now)
    strangers = foreign_matching(wanted, reach=reach)
    counts = {
        **_counts(found, user_id=user_id, now=now),
        **{show: len(ids) for show, ids in flaws.items()},
        Show.FOREIGN: strangers.count(),
    }
    total = counts[wanted.show]
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(1, wanted.page), pages)
    start = (page - 1) * PAGE_SIZE
    part = slice(start, start + PAGE_SIZE)
    is_foreign = wanted.show is Show.FOREIGN
    which = (
        Q(pk__in=flaws[wanted.show][part])
        if wanted.show in flaws
        else Q()
        if is_foreign
        else part_of_board(wanted.show, user_id=user_id, now=now)
    )
    return Board(
        counts=counts,
        rows=() if is_foreign else _rows(found, wanted.show, part, which),
        foreign=foreign_rows(strangers[part]) if is_foreign else (),
        total_count=total,
        page=page,
        page_count=pages,
        choices=choices(reach),
    )


def _counts(
    found: QuerySet[ExceptionRequest], *, user_id: int | None, now: datetime
) -> dict[Show, int]:
    parts = {
        show.name: Count("pk", filter=part_of_board(show, user_id=user_id, now=now))
        for show in OWN_PARTS
    }
    counted = found.aggregate(**parts)
    return {show: counted[show.name] for show in OWN_PARTS}


def _rows(
    found: QuerySet[ExceptionRequest], show: Show, part: slice, which: Q
) -> tuple[ExceptionRow, ...]:
    rows = related(found.filter(which)).order_by(*ORDERS.get(show, ("approved_ends_at", "pk")))
    # Of what is flawed the page was cut before.
    return exception_rows(rows[part] if show in OWN_PARTS else rows)
