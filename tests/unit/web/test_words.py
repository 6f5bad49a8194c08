"""Numbers, times and sizes in words."""

from datetime import UTC, datetime, timedelta

import pytest

from policies.web import words

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_age_of_a_span_has_one_unit(span: timedelta, text: str) -> None:
    assert words.age(span) == text


def test_ago_of_a_time_to_come_says_in() -> None:
    assert words.ago(NOW + timedelta(hours=3), NOW) == "in 3 h"


def test_ago_of_a_clock_slightly_ahead_says_now() -> None:
    assert words.ago(NOW + timedelta(seconds=2), NOW) == "0 s ago"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 workloads"), (1, "1 workload"), (1204, "1,204 workloads")]
)
def test_count_of_agrees_with_its_noun(number: int, text: str) -> None:
    assert words.count_of(number, "workload") == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1_400_000, "1.4 MB"), (2_500_000_000, "2.5 GB")],
)
def test_size_has_decimal_units(count: int, text: str) -> None:
    assert words.size(count) == text


def test_listed_names_the_first_and_counts_the_rest() -> None:
    assert words.listed(("a", "b", "c", "d"), limit=3) == "a, b, c and 1 more"
