"""The first page."""

from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.domain.authority import ALLOWED, Act, Actor
from policies.queries import denials, exceptions
from policies.queries.freshness import fleet_strip
from policies.queries.home import home_page
from policies.queries.trail_chain import last_check
from policies.web.actors import Permit, actor_of, permit, seen_by
from policies.web.htmx import respond
from policies.web.presenters.denials import stuck_lines
from policies.web.presenters.exceptions import home_lines, inert_lines, row_title
from policies.web.presenters.trail import sentences
from policies.web.presenters.trail_state import TrailState, trail_state

EXCEPTIONS_SHOWN = 8
STUCK_SHOWN = 5


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Show how much is enforced, who waits for whom, what moves and what is wrong."""
    actor = actor_of(request.user)
    page = home_page(reach=seen_by(request.user), user_id=actor.user_id, now=timezone.now())
    context = {
        "page": page,
        "fleet": partial(fleet_strip, reach=seen_by(request.user), now=timezone.now()),
        "recent": sentences(page.recent),
        **_exceptions(request, actor),
        **_denials(request, actor),
        "may_decide": Permit(allowed=bool(actor.roles & ALLOWED[Act.DECIDE_FLIP])),
        "may_add": permit(actor, Act.ADD_CLUSTER),
        "broken_trail": _broken_trail(actor),
    }
    return respond(request, "home/page.html", "home/_moving.html", context)


def _broken_trail(actor: Actor) -> TrailState | None:
    """Say that the trail is broken to those who answer for it."""
    if not permit(actor, Act.EXPORT_TRAIL).allowed:
        return None
    state = trail_state(last_check(), None)
    return state if state.mark == "broken" else None


def _denials(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    """Say which workloads cannot create their pods since a flip: what is wrong before all else."""
    lines = stuck_lines(denials.stuck(reach=seen_by(request.user)), actor)
    return {
        "stuck": lines[:STUCK_SHOWN],
        "more_stuck": max(0, len(lines) - STUCK_SHOWN),
    }


def _exceptions(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    reach, now = seen_by(request.user), timezone.now()
    # One more than is shown says that there are more.
    limit = EXCEPTIONS_SHOWN + 1
    waiting = exceptions.waiting(reach=reach, limit=limit)
    ending = exceptions.ending_for(actor, reach=reach, now=now, limit=limit)
    broken = (
        *home_lines(exceptions.broken(reach=reach, now=now, limit=limit), now=now),
        *inert_lines(exceptions.inert(reach=reach, limit=limit)),
    )
    return {
        "asked_exceptions": tuple(
            (row, row_title(row), row.requested_by_id == actor.user_id)
            for row in waiting[:EXCEPTIONS_SHOWN]
        ),
        "ending_exceptions": home_lines(ending[:EXCEPTIONS_SHOWN], now=now),
        "broken_exceptions": broken[:EXCEPTIONS_SHOWN],
        "more_exceptions": max(len(waiting), len(ending)) > EXCEPTIONS_SHOWN,
        "more_broken": len(broken) > EXCEPTIONS_SHOWN,
    }
