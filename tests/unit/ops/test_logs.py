"""One line per event: its name first, then its fields."""

import logging

import pytest

from secprof_site.logs import EventFormatter


def line(**fields: object) -> str:
    record = logging.LogRecord("policies.x", logging.INFO, "", 0, "run.done", (), None)
    vars(record).update(fields)
    return EventFormatter().format(record)


def test_event_with_fields_shows_them_sorted() -> None:
    assert line(run_id=7, cluster="demo").endswith("INFO policies.x run.done cluster=demo run_id=7")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("two words", '"two words"'), ("", '""'), ("a\nb", '"a\\nb"'), ("k=v", '"k=v"')],
)
def test_field_that_would_mislead_is_quoted(value: str, shown: str) -> None:
    assert line(field=value).endswith(f" field={shown}")


def test_time_is_utc_to_the_millisecond() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "e", (), None)
    record.created, record.msecs = 0.0, 5.0

    assert EventFormatter().format(record).startswith("1970-01-01T00:00:00.005Z ")
