"""Rows of the trail as somebody may see them whose reach does not go as far as the rows themselves."""

import json
from dataclasses import replace

from policies.domain.plans import Plan
from policies.models import Flip
from policies.queries.plans import SeenPlan, seen_plan
from policies.queries.reach import Reach
from policies.queries.trail_events import Event


def seen_events(events: tuple[Event, ...], *, reach: Reach) -> tuple[Event, ...]:
    """Leave out of rows that are seen the names of neighbours that a flip was proven in."""
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
