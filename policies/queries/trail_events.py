"""One row of the trail as pages show it."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from policies.domain.trail import TrailRecord, Unreadable

UNREADABLE = "row.unreadable"
"""The verb that stands for a row that somebody has spoilt."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the trail."""

    id: int
    at: datetime | None
    """None for a row that cannot be read."""
    actor: str
    verb: str
    cluster: str
    variant: str
    namespaces: tuple[str, ...]
    flip_id: str
    exception_id: str
    plan_digest: str
    outcome: str
    message: str
    details: dict[str, Any] = field(hash=False)
    previous_hash: str = ""
    hash: str = ""


def event_of(row: TrailRecord | Unreadable) -> Event:
    """Turn a row into a record; one that somebody has spoilt says so."""
    if isinstance(row, Unreadable):
        nothing = dict.fromkeys((name.name for name in fields(Event)), "")
        spoilt: dict[str, Any] = {"at": None, "namespaces": (), "details": {}, "outcome": "failed"}
        named = {"id": row.sequence, "verb": UNREADABLE, "message": row.message}
        return Event(**{**nothing, **spoilt, **named})
    values = {name.name: getattr(row, name.name) for name in fields(Event) if name.name != "id"}
    return Event(id=row.sequence, **values)
