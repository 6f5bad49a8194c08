"""Days in UTC, wherever a moment was written down."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from policies.domain.days import bounds_of, day_of

TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 2, 0, 0, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 3, 2, 23, 59, 59, 999999, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 3, 2, 8, 59, tzinfo=TOKYO), date(2026, 3, 1)),
    ],
)
def test_day_of_a_moment_is_that_of_utc(moment: datetime, day: date) -> None:
    assert day_of(moment) == day


def test_bounds_of_a_day_hold_it_and_no_other() -> None:
    start, end = bounds_of(date(2026, 12, 31))

    assert day_of(start) == day_of(end - timedelta(microseconds=1)) == date(2026, 12, 31)
    assert day_of(end) == date(2027, 1, 1)
