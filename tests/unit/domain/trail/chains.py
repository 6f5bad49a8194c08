"""Small chains to tamper with."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from policies.domain.trail import GENESIS, TrailRecord, sealed

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def row(sequence: int, **fields: Any) -> TrailRecord:
    """A row without a hash."""
    values: dict[str, Any] = {
        "at": NOON + timedelta(minutes=sequence),
        "actor": "operator",
        "verb": "flip.requested",
        "cluster": "prod",
        "variant": "require-seccomp",
        "namespaces": ("shop",),
        "flip_id": "3f1c9a52-0000-4000-8000-000000000000",
        "exception_id": "",
        "plan_digest": "7f3a" * 16,
        "outcome": "ok",
        "message": f"number {sequence}",
        "details": {"asks": "enforce"},
        "previous_hash": GENESIS,
        **fields,
    }
    return TrailRecord(sequence=sequence, **values)


def chained(rows: Iterable[TrailRecord], after: TrailRecord | None = None) -> list[TrailRecord]:
    """The rows as a chain that hangs together, numbered anew: what an attacker makes who knows how."""
    made: list[TrailRecord] = [after] if after else []
    for each in rows:
        sequence, previous = (made[-1].sequence + 1, made[-1].hash) if made else (1, GENESIS)
        made.append(sealed(replace(each, sequence=sequence, previous_hash=previous)))
    return made[1:] if after else made


def chain(count: int) -> list[TrailRecord]:
    """A whole chain."""
    return chained(row(number) for number in range(1, count + 1))
