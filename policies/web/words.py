"""Numbers, times and sizes in words, the same everywhere."""

from datetime import datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86400


def age(span: timedelta) -> str:
    """Say how long: `40 s`, `12 min`, `3 h`, `12 d`; a span below zero counts as none."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR} h"
    return f"{seconds // DAY} d"


def ago(at: datetime, now: datetime) -> str:
    """Say how long ago, or in how long."""
    if at > now + timedelta(seconds=5):
        return f"in {age(at - now)}"
    return f"{age(now - at)} ago"


def day(at: datetime) -> str:
    """Write a day: `12 Jan 2027`."""
    return f"{at.day} {at:%b %Y}"


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Say `1 workload`, `1,204 workloads`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(byte_count: int) -> str:
    """Say a size in decimal units: `812 B`, `1.4 MB`."""
    amount = float(byte_count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def listed(names: tuple[str, ...], *, limit: int = 4) -> str:
    """Join names, the first few by name: `a, b, c, d and 3 more`."""
    shown = ", ".join(names[:limit])
    rest = len(names) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown
