"""The audit trail as pages show it: filtered, newest first, page by page."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from policies.domain.lifecycle import StepKind
from policies.domain.plans import Plan
from policies.models import AuditEvent, Flip
from policies.queries.plans import SeenPlan, seen_plan
from policies.queries.reach import Reach

PAGE_SIZE = 50
SMALL_VERBS = (
    *(f"rollout.{kind.value}" for kind in StepKind),
    "rollout.started",
    "rehearsal.requested",
)
"""What matters on its own flip's page alone."""


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """What to show; empty values do not filter."""

    cluster: str = ""
    actor: str = ""
    verb: str = ""
    outcome: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the trail."""

    id: int
    at: datetime
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


def trail_page(wanted: TrailFilter, *, reach: Reach, page: int) -> TrailPage:
    """Load one page of the trail, as far as it is seen."""
    rows = reach.events().filter(_condition(wanted))
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    found = rows.order_by("-at", "-pk")[start : start + PAGE_SIZE]
    return TrailPage(
        events=seen_events(found, reach=reach),
        total_count=total,
        page=number,
        page_count=pages,
        clusters=tuple(reach.clusters().values_list("name", flat=True)),
        actors=_values(reach, "actor"),
        verbs=_values(reach, "verb"),
    )


def recent_decisions(limit: int, *, reach: Reach) -> tuple[Event, ...]:
    """Load the newest rows of the trail, the single steps of rollouts and rehearsals left out."""
    rows = reach.events().exclude(verb__in=SMALL_VERBS).order_by("-at", "-pk")
    return seen_events(rows[:limit], reach=reach)


def seen_events(rows: Iterable[AuditEvent], *, reach: Reach) -> tuple[Event, ...]:
    """Turn rows that are seen into records, without the names of neighbours that a flip was proven in."""
    events = tuple(event_of(row) for row in rows)
    if reach.is_everything:
        return events
    hidden = _hidden_in({event.flip_id for event in events if event.flip_id}, reach)
    return tuple(
        _redacted(event, hidden[event.flip_id]) if event.flip_id in hidden else event
        for event in events
    )


def _hidden_in(flip_ids: set[str], reach: Reach) -> dict[str, SeenPlan]:
    flips = Flip.objects.filter(pk__in=flip_ids).select_related("variant")
    plans = {
        str(flip.pk): seen_plan(
            Plan.from_json(flip.plan), cluster_id=flip.variant.cluster_id, reach=reach
        )
        for flip in flips
    }
    return {pk: plan for pk, plan in plans.items() if plan.hidden}


def _redacted(event: Event, plan: SeenPlan) -> Event:
    details = json.loads(plan.text(json.dumps(event.details)))
    return replace(event, message=plan.text(event.message), details=details)


def event_of(row: AuditEvent) -> Event:
    """Turn a row into a record."""
    values = {name: getattr(row, name) for name in Event.__slots__}
    return Event(**{**values, "namespaces": tuple(row.namespaces)})


def _condition(wanted: TrailFilter) -> Q:
    condition = Q()
    for name in ("cluster", "actor", "verb", "outcome"):
        if value := getattr(wanted, name):
            condition &= Q(**{name: value})
    if wanted.text:
        text = wanted.text
        condition &= (
            Q(message__icontains=text)
            | Q(variant__icontains=text)
            | Q(plan_digest__startswith=text)
            | Q(flip_id=text)
            | Q(exception_id=text)
            | Q(namespaces__icontains=text)
        )
    return condition


def _values(reach: Reach, column: str) -> tuple[str, ...]:
    return tuple(reach.events().order_by(column).values_list(column, flat=True).distinct())
