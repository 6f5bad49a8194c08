"""The audit trail as pages show it: filtered, newest first, page by page."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from policies.domain.lifecycle import StepKind
from policies.domain.trail import (
    GENESIS,
    UNHASHABLE,
    TrailRecord,
    Unreadable,
    fits,
    json_line,
)
from policies.models import AuditEvent, Cluster
from policies.queries.trail_chain import read_rows

PAGE_SIZE = 50
SMALL_VERBS = (
    *(f"rollout.{kind.value}" for kind in StepKind),
    "rollout.started",
    "rehearsal.requested",
)
"""What matters on its own flip's page alone."""
LAST_PLACE = 2**63 - 2
"""Beyond it no database keeps a row."""
UNREADABLE = "row.unreadable"
"""The verb that stands for a row that somebody has spoilt."""


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What to show; empty values do not filter."""

    cluster: str = ""
    actor: str = ""
    verb: str = ""
    outcome: str = ""
    variant: str = ""
    namespace: str = ""
    since: datetime | None = None
    """The first moment that counts."""
    until: datetime | None = None
    """The first moment that does not count any more."""
    text: str = ""

    def to_json(self) -> dict[str, str]:
        """Name what filters, for the trail's own row about an export."""
        values = {name: value for name, value in asdict(self).items() if value}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        }


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


@dataclass(frozen=True, slots=True)
class TrailPage:
    """One page of the trail, with the choices of its filters."""

    events: tuple[Event, ...]
    total_count: int
    page: int
    page_count: int
    clusters: tuple[str, ...]
    actors: tuple[str, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventPage:
    """One row of the trail, and whether it fits into the chain."""

    event: Event
    line: str
    """As it is exported; empty for a row that cannot be."""
    trouble: str
    """What is wrong with the row itself or with its link to the one before; empty when nothing is."""
    has_older: bool
    has_newer: bool


def trail_page(wanted: TrailFilter, *, page: int) -> TrailPage:
    """Load one page of the trail."""
    rows = filtered(wanted)
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    return TrailPage(
        events=_events(rows.order_by("-pk")[start : start + PAGE_SIZE]),
        total_count=total,
        page=number,
        page_count=pages,
        clusters=tuple(Cluster.objects.order_by("name").values_list("name", flat=True)),
        actors=_values("actor"),
        verbs=_values("verb"),
    )


def no_page() -> TrailPage:
    """Show nothing for a filter that cannot be read, and the choices all the same."""
    return replace(trail_page(TrailFilter(), page=1), events=(), total_count=0, page_count=1)


def event_page(sequence: int) -> EventPage:
    """Load one row by its place in the chain. Raises AuditEvent.DoesNotExist."""
    if sequence > LAST_PLACE:
        raise AuditEvent.DoesNotExist(sequence)
    around = read_rows(
        AuditEvent.objects.filter(pk__in=(sequence - 1, sequence, sequence + 1)).order_by("pk")
    )
    by_place = {row.sequence: row for row in around}
    row = by_place.get(sequence)
    if row is None:
        raise AuditEvent.DoesNotExist(sequence)
    older = by_place.get(sequence - 1)
    return EventPage(
        event=_event(row),
        line="" if isinstance(row, Unreadable) else _line(row),
        trouble=_trouble(row, older),
        has_older=older is not None,
        has_newer=sequence + 1 in by_place,
    )


def recent_decisions(limit: int) -> tuple[Event, ...]:
    """Load the newest rows of the trail, the single steps of rollouts and rehearsals left out."""
    rows = AuditEvent.objects.exclude(verb__in=SMALL_VERBS).order_by("-pk")
    return _events(rows[:limit])


def filtered(wanted: TrailFilter) -> QuerySet[AuditEvent]:
    """Find the rows that a filter lets through: the same for pages and exports."""
    return AuditEvent.objects.filter(_condition(wanted))


def _events(rows: QuerySet[AuditEvent]) -> tuple[Event, ...]:
    return tuple(_event(row) for row in read_rows(rows))


def _event(row: TrailRecord | Unreadable) -> Event:
    if isinstance(row, Unreadable):
        nothing = dict.fromkeys((name.name for name in fields(Event)), "")
        spoilt: dict[str, Any] = {"at": None, "namespaces": (), "details": {}, "outcome": "failed"}
        named = {"id": row.sequence, "verb": UNREADABLE, "message": row.message}
        return Event(**{**nothing, **spoilt, **named})
    values = {name.name: getattr(row, name.name) for name in fields(Event) if name.name != "id"}
    return Event(id=row.sequence, **values)


def _line(row: TrailRecord) -> str:
    try:
        return json_line(row)
    except UNHASHABLE:
        return ""


def _trouble(row: TrailRecord | Unreadable, older: TrailRecord | Unreadable | None) -> str:
    if row.sequence > 1 and older is None:
        return f"Row {row.sequence - 1} is missing."
    if isinstance(row, Unreadable):
        return f"Row {row.sequence} was edited: it cannot be read."
    if not fits(row):
        return f"Row {row.sequence} was edited: what it says does not fit its hash."
    before = older.hash if isinstance(older, TrailRecord) else GENESIS
    if row.previous_hash == before or isinstance(older, Unreadable):
        return ""
    return f"Row {row.sequence} does not follow row {row.sequence - 1}: one of them was made anew."


def _condition(wanted: TrailFilter) -> Q:
    condition = Q()
    for name in ("cluster", "actor", "verb", "outcome", "variant"):
        if value := getattr(wanted, name):
            condition &= Q(**{name: value})
    if wanted.namespace:
        # Both databases keep the list as text that can be searched; a name in quotes is the whole name.
        condition &= Q(namespaces__icontains=json.dumps(wanted.namespace))
    if wanted.since:
        condition &= Q(at__gte=wanted.since)
    if wanted.until:
        condition &= Q(at__lt=wanted.until)
    return condition & _about(wanted.text) if wanted.text else condition


def _about(text: str) -> Q:
    return (
        Q(message__icontains=text)
        | Q(variant__icontains=text)
        | Q(namespaces__icontains=text)
        | Q(plan_digest__startswith=text)
        | Q(hash__startswith=text)
        | Q(flip_id=text)
        | Q(exception_id=text)
    )


def _values(column: str) -> tuple[str, ...]:
    return tuple(AuditEvent.objects.order_by(column).values_list(column, flat=True).distinct())
