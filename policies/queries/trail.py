"""The audit trail as pages show it: filtered, newest first, page by page."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from policies.domain.lifecycle import StepKind
from policies.domain.sign_in import SignInEvent
from policies.domain.trail import GENESIS, UNHASHABLE, TrailRecord, Unreadable, fits, json_line
from policies.models import AuditEvent
from policies.queries.reach import Reach
from policies.queries.trail_chain import read_rows
from policies.queries.trail_events import Event, event_of
from policies.queries.trail_seen import seen_events

PAGE_SIZE = 50
MOST_COUNTED = 5000
"""Rows that hold a text: beyond these a closer filter helps more than a page number."""
SMALL_VERBS = (
    *(f"rollout.{kind.value}" for kind in StepKind),
    "rollout.started",
    "rehearsal.requested",
    *(event.value for event in SignInEvent),
)
"""What matters on its own flip's page alone, or in the trail alone."""
LAST_PLACE = 2**63 - 2
"""Beyond it no database keeps a row."""


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
class TrailPage:
    """One page of the trail, with the choices of its filters."""

    events: tuple[Event, ...]
    total_count: int
    has_more: bool
    """More rows fit than were counted."""
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


def trail_page(wanted: TrailFilter, *, reach: Reach, page: int) -> TrailPage:
    """Load one page of the trail, as far as it is seen."""
    rows = filtered(wanted, reach=reach)
    # A text stands in so many rows that counting them all would cost more than the page.
    found = rows[: MOST_COUNTED + 1].count() if wanted.text else rows.count()
    total = min(found, MOST_COUNTED) if wanted.text else found
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    return TrailPage(
        events=_events(rows.order_by("-pk")[start : start + PAGE_SIZE], reach),
        total_count=total,
        has_more=found > total,
        page=number,
        page_count=pages,
        clusters=tuple(reach.clusters().values_list("name", flat=True)),
        actors=_values(reach, "actor"),
        verbs=_values(reach, "verb"),
    )


def no_page(*, reach: Reach) -> TrailPage:
    """Show nothing for a filter that cannot be read, and the choices all the same."""
    return replace(
        trail_page(TrailFilter(), reach=reach, page=1), events=(), total_count=0, page_count=1
    )


def event_page(sequence: int, *, reach: Reach) -> EventPage:
    """Load one row by its place in the chain. Raises AuditEvent.DoesNotExist, also for one that is out of reach."""
    if sequence > LAST_PLACE or not reach.events().filter(pk=sequence).exists():
        raise AuditEvent.DoesNotExist(sequence)
    around = read_rows(
        AuditEvent.objects.filter(pk__in=(sequence - 1, sequence, sequence + 1)).order_by("pk")
    )
    by_place = {row.sequence: row for row in around}
    row = by_place.get(sequence)
    if row is None:
        raise AuditEvent.DoesNotExist(sequence)
    older = by_place.get(sequence - 1)
    whole = event_of(row)
    (event,) = seen_events((whole,), reach=reach)
    return EventPage(
        event=event,
        line="" if isinstance(row, Unreadable) or event != whole else _line(row),
        trouble=_trouble(row, older),
        has_older=older is not None,
        has_newer=sequence + 1 in by_place,
    )


def recent_decisions(limit: int, *, reach: Reach) -> tuple[Event, ...]:
    """Load the newest rows of the trail, the single steps of rollouts and rehearsals left out."""
    rows = reach.events().exclude(verb__in=SMALL_VERBS).order_by("-pk")
    return _events(rows[:limit], reach)


def filtered(wanted: TrailFilter, *, reach: Reach) -> QuerySet[AuditEvent]:
    """Find the rows in reach that a filter lets through: the same for pages and exports."""
    return reach.events().filter(_condition(wanted))


def _events(rows: QuerySet[AuditEvent], reach: Reach) -> tuple[Event, ...]:
    return seen_events(tuple(event_of(row) for row in read_rows(rows)), reach=reach)


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


def _values(reach: Reach, column: str) -> tuple[str, ...]:
    """List the values that a column has in the rows that are seen."""
    if reach.is_everything:
        return tuple(_skipping(column))
    return tuple(reach.events().order_by(column).values_list(column, flat=True).distinct())


def _skipping(column: str) -> Iterator[str]:
    """Go through the values of an indexed column from one to the next, and not from row to row."""
    name = connection.ops.quote_name(column)
    table = connection.ops.quote_name(AuditEvent._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(value) AS ("  # noqa: S608 - names of our own columns
            f" SELECT MIN({name}) FROM {table}"
            f" UNION ALL SELECT (SELECT MIN({name}) FROM {table} WHERE {name} > found.value)"
            " FROM found WHERE found.value IS NOT NULL)"
            " SELECT value FROM found WHERE value IS NOT NULL"
        )
        yield from (value for (value,) in cursor.fetchall())
