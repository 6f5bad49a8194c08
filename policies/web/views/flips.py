"""Flips: the list, one with its frozen plan, the decision, and the live ladder."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import flips
from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError
from policies.domain.authority import Act, NotAllowed
from policies.domain.lifecycle import FlipStatus, FlipVerb, WrongState
from policies.models import Flip
from policies.queries.denials import since_flip, unread_on
from policies.queries.flips import FlipFilter, FlipPage, flip_list, flip_page
from policies.queries.freshness import data_strip, fleet_strip
from policies.queries.places import places_of_flip
from policies.queries.reach import Reach
from policies.web.actors import actor_of, permit, seen_by
from policies.web.errors import Trouble, trouble_of
from policies.web.htmx import is_htmx, respond, see_other
from policies.web.numbers import page_number
from policies.web.presenters.denials import shown_denials
from policies.web.presenters.flips import shown_ladders
from policies.web.presenters.plans import shown_plan
from policies.web.views.plans import planned_offenders

DENIALS_SHOWN = 10
KNOWN = (NotAllowed, WrongState, Refused, ClusterError)


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List flips, newest first."""
    asked = request.GET.get("show", "")
    which = FlipFilter(asked) if asked in set(FlipFilter) else FlipFilter.OPEN
    found = flip_list(
        reach=seen_by(request.user),
        which=which,
        user_id=actor_of(request.user).user_id,
        page=page_number(request.GET.get("page", "")),
    )
    context = {
        "found": found,
        "which": which,
        "filters": tuple(FlipFilter),
        "fleet": partial(fleet_strip, reach=seen_by(request.user), now=timezone.now()),
    }
    return respond(request, "flips/list.html", "flips/_rows.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, flip_id: UUID) -> HttpResponse:
    """Show one flip."""
    return _page(request, flip_id)


@require_safe
@login_required
def progress(request: HttpRequest, flip_id: UUID) -> HttpResponse:
    """Give the live part again, or nothing (204) while it is as the page has it; to a browser the page."""
    if not is_htmx(request):
        return _page(request, flip_id)
    flip = _seen_flip(request, flip_id)
    found = flip_page(flip, reach=seen_by(request.user))
    seen = request.GET.get("seen")
    if found.progress and found.progress.is_active and seen == found.progress.fingerprint:
        return HttpResponse(status=204)
    return respond(request, "flips/detail.html", "flips/_live.html", _context(request, flip, found))


@require_POST
@login_required
def approve(request: HttpRequest, flip_id: UUID) -> HttpResponse:
    """Approve the plan with this digest."""
    return _decide(
        request,
        flip_id,
        "Approved. The roll-out has begun.",
        lambda: flips.approve(
            flip_id=flip_id,
            plan_digest=request.POST.get("plan_digest", ""),
            comment=request.POST.get("comment", ""),
            by=actor_of(request.user),
            now=timezone.now(),
        ),
    )


@require_POST
@login_required
def decline(request: HttpRequest, flip_id: UUID) -> HttpResponse:
    """Decline, with a reason."""
    return _decide(
        request,
        flip_id,
        "Declined.",
        lambda: flips.decline(
            flip_id=flip_id,
            comment=request.POST.get("comment", ""),
            by=actor_of(request.user),
            now=timezone.now(),
        ),
    )


@require_POST
@login_required
def withdraw(request: HttpRequest, flip_id: UUID) -> HttpResponse:
    """Take the request back."""
    return _decide(
        request,
        flip_id,
        "Withdrawn.",
        lambda: flips.withdraw(flip_id=flip_id, by=actor_of(request.user), now=timezone.now()),
    )


def _decide(
    request: HttpRequest, flip_id: UUID, done: str, act: Callable[[], Flip]
) -> HttpResponse:
    _seen_flip(request, flip_id)
    try:
        act()
    except KNOWN as error:
        return _page(request, flip_id, trouble=trouble_of(error))
    messages.success(request, done)
    return see_other("policies:flip", flip_id)


def _page(request: HttpRequest, flip_id: UUID, *, trouble: Trouble | None = None) -> HttpResponse:
    flip = _seen_flip(request, flip_id)
    reach = seen_by(request.user)
    found = flip_page(flip, reach=reach)
    context = {
        **_context(request, flip, found),
        "trouble": trouble,
        "plan": shown_plan(found.plan),
        "strip": data_strip(flip.variant.cluster, now=timezone.now()),
        **_denied(flip, found, reach),
        "offenders": planned_offenders(flip.variant, found.plan.plan, reach),
    }
    status = trouble.status if trouble else 200
    return respond(request, "flips/detail.html", "flips/_live.html", context, status=status)


def _denied(flip: Flip, found: FlipPage, reach: Reach) -> dict[str, Any]:
    """Say what was refused since the flip began to write; nothing for one that enforces nothing or wrote nothing."""
    began_at = found.progress.started_at if found.progress else None
    if found.verb is not FlipVerb.ENFORCE or began_at is None:
        return {"shows_denials": False}
    rows = since_flip(
        cluster_id=found.cluster_id,
        variant=found.variant,
        namespaces=found.namespaces,
        since=began_at,
        reach=reach,
    )
    return {
        "shows_denials": True,
        "denied": shown_denials(rows[:DENIALS_SHOWN]),
        "more_denied": max(0, len(rows) - DENIALS_SHOWN),
        "unread": unread_on(flip.variant.cluster, now=timezone.now()),
    }


def _seen_flip(request: HttpRequest, flip_id: UUID) -> Flip:
    found = seen_by(request.user).flips()
    return get_object_or_404(
        found.select_related("variant__cluster", "requested_by", "decided_by"), pk=flip_id
    )


def _context(request: HttpRequest, flip: Flip, found: FlipPage) -> dict[str, Any]:
    actor = actor_of(request.user)
    at = places_of_flip(flip)
    asked_by = found.requested_by_id
    return {
        "flip": found,
        "ladders": shown_ladders(found.progress) if found.progress else (),
        "moved": tuple(line for line in found.closing_message.splitlines() if line),
        "is_waiting": found.status is FlipStatus.REQUESTED,
        "can_plan_again": found.exception_id is None
        and found.status
        in {FlipStatus.STALE, FlipStatus.LAPSED, FlipStatus.DECLINED, FlipStatus.FAILED},
        "current_cluster": found.cluster,
        "may_decide": permit(actor, Act.DECIDE_FLIP, at=at, requested_by_id=asked_by),
        "may_withdraw": permit(actor, Act.WITHDRAW_FLIP, at=at, requested_by_id=asked_by),
        "may_roll_back": permit(actor, Act.ROLL_BACK, at=at),
    }
