"""The audit trail as pages show it: filtered, newest first, page by page."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from policies.domain.lifecycle import StepKind
from policies.domain.sign_in import SignInEvent
from policies.models import AuditEvent, Cluster

PAGE_SIZE = 50
SMALL_VERBS = (
    *(f"rollout.{kind.value}" for kind in StepKind),
    "rollout.started",
    "rehearsal.requested",
    *(event.value for event in SignInEvent),
)
"""What matters on its own flip's page alone, or in the trail alone."""


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


def trail_page(wanted: TrailFilter, *, page: int) -> TrailPage:
    """Load one page of the trail."""
    rows = AuditEvent.objects.filter(_condition(wanted))
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    found = rows.order_by("-at", "-pk")[start : start + PAGE_SIZE]
    return TrailPage(
        events=tuple(event_of(row) for row in found),
        total_count=total,
        page=number,
        page_count=pages,
        clusters=tuple(Cluster.objects.order_by("name").values_list("name", flat=True)),
        actors=_values("actor"),
        verbs=_values("verb"),
    )


def recent_decisions(limit: int) -> tuple[Event, ...]:
    """Load the newest rows of the trail, the single steps of rollouts and rehearsals left out."""
    rows = AuditEvent.objects.exclude(verb__in=SMALL_VERBS).order_by("-at", "-pk")
    return tuple(event_of(row) for row in rows[:limit])


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
            | Q(namespaces__icontains=text)
        )
    return condition


def _values(column: str) -> tuple[str, ...]:
    return tuple(AuditEvent.objects.order_by(column).values_list(column, flat=True).distinct())
