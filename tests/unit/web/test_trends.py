"""Trends in words: what stands above the chart, and what a gap is called."""

import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from policies.queries.trends import Figures, Mark, TrendDay, TrendPage, TrendState
from policies.web.presenters.trends import chart, csv_text, gaps, shown_days, summary

LAST = date(2026, 3, 31)
FLIP = UUID(int=7)


def day(ago: int, failing: int | None, *, is_collected: bool = True, marks: int = 0) -> TrendDay:
    figures = None if failing is None else Figures(1, failing, 0, 0, 0, failing, 40)
    at = datetime(2026, 3, 31, tzinfo=UTC)
    said = tuple(Mark(at, "enforce", (f"ns-{n}",), FLIP) for n in range(marks))
    return TrendDay(LAST - timedelta(days=ago), is_collected, figures, 2, 1, said)


def page(*days: TrendDay, state: TrendState = TrendState.KNOWN) -> TrendPage:
    return TrendPage(state, days, None, (), (), None, None)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((), ""),
        ((day(1, None), day(0, None)), ""),
        ((day(0, 1),), "1 of 40 judged workloads fails."),
        ((day(1, None), day(0, 3)), "3 of 40 judged workloads fail."),
        ((day(2, 9), day(0, 3)), "3 of 40 judged workloads fail, 6 fewer than on 29 Mar."),
        ((day(2, 3), day(0, 9)), "9 of 40 judged workloads fail, 6 more than on 29 Mar."),
        ((day(2, 3), day(0, 3)), "3 of 40 judged workloads fail, as many as on 29 Mar."),
        (
            (day(2, 9), day(1, 3), day(0, None, is_collected=False)),
            "3 of 40 judged workloads fail as of 30 Mar, 6 fewer than on 29 Mar.",
        ),
    ],
)
def test_summary_says_where_it_stands_and_came_from(days: tuple[TrendDay, ...], said: str) -> None:
    assert summary(page(*days)) == said


def test_gap_is_named_and_has_no_figures() -> None:
    days = (day(2, None, is_collected=False), day(1, None), day(0, 0))

    shown = shown_days(page(*days))

    assert [row.gap for row in shown] == ["", "no results", "not collected"]
    assert [row.failing for row in shown] == [0, None, None]
    assert json.loads(chart(page(*days)))["failing"] == [None, None, 0]
    assert gaps(page(*days)) == "1 day not collected"
    assert gaps(page(*days, state=TrendState.NEVER)) == ""


def test_file_leaves_the_cells_of_a_gap_empty() -> None:
    text = csv_text(page(day(1, None, is_collected=False), day(0, 3, marks=2)))

    assert text.splitlines()[1:] == [
        "2026-03-31,known,3,40,1,3,0,0,0,2,1,enforced: ns-0; enforced: ns-1",
        "2026-03-30,not collected,,,,,,,,,,",
    ]
