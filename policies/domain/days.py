"""Days of the history: each is a day in UTC, and belongs to the run that began on it."""

from datetime import UTC, date, datetime, time, timedelta


def day_of(moment: datetime) -> date:
    """Name the day of a moment, which must know its time zone."""
    return moment.astimezone(UTC).date()


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """Give the first moment of a day, and the first one after it."""
    return start_of(day), start_of(day + timedelta(days=1))


def start_of(day: date) -> datetime:
    """Give the first moment of a day."""
    return datetime.combine(day, time.min, tzinfo=UTC)
