"""One line per event: its name first, then its fields."""

import logging
import sys

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


def test_secret_in_a_message_a_field_or_a_traceback_is_hidden() -> None:
    formatter = EventFormatter(["hidden-secret", "hidden-secret-and-more", "short", ""])
    record = logging.LogRecord("x", logging.ERROR, "", 0, "at hidden-secret-and-more", (), None)
    record.url = "redis://:hidden-secret@host"
    try:
        raise ValueError("hidden-secret")
    except ValueError:
        record.exc_info = sys.exc_info()

    said = formatter.format(record)

    assert "hidden-secret" not in said
    assert "and-more" not in said
    assert said.count("***") >= 3
    assert "ValueError" in said


def test_text_too_short_for_a_secret_hides_nothing() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "a short line", (), None)

    assert "a short line" in EventFormatter(["short", ""]).format(record)
