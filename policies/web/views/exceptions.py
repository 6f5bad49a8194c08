"""Exceptions: the board, one with its evidence and its live ladder, and every decision about it."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import exception_ends, exceptions
from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError
from policies.domain.authority import Act, NotAllowed
from policies.domain.lifecycle import ExceptionStatus, WrongState
from policies.models import ExceptionRequest
from policies.queries.exception_board import load_board
from policies.queries.exception_covers import cover_of, draft_exemption
from policies.queries.exception_pages import ExceptionPage, exception_page
from policies.queries.exceptions import BoardFilter, Show, newest_flip, seen
from policies.queries.flips import flip_page
from policies.queries.freshness import data_strip, fleet_strip
from policies.queries.specs import current_revisions, written_spec
from policies.web.actors import actor_of, permit, seen_by
from policies.web.errors import Trouble, trouble_of
from policies.web.exception_forms import DecisionForm
from policies.web.htmx import respond, see_other
from policies.web.presenters import exception_page as words
from policies.web.presenters.controls import shown_controls
from policies.web.presenters.exception_covers import ShownCover, shown_cover
from policies.web.presenters.exceptions import EMPTY, shown_exceptions, tabs
from policies.web.presenters.flips import shown_ladders
from policies.web.presenters.foreign_exceptions import shown_foreign
from policies.web.presenters.trail import sentences

KNOWN = (NotAllowed, WrongState, Refused, ClusterError)
MOVING = frozenset({ExceptionStatus.APPROVED, ExceptionStatus.ENDING})
"""Where something is still to come by itself."""


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show the board, or one part of it."""
    wanted = read_filter(request.GET)
    user_id = actor_of(request.user).user_id
    now = timezone.now()
    board = load_board(wanted, reach=seen_by(request.user), user_id=user_id, now=now)
    context = {
        "board": board,
        "filter": wanted,
        "tabs": tabs(board.counts, wanted.show, flaws=False),
        "flaws": tabs(board.counts, wanted.show, flaws=True),
        "rows": shown_exceptions(board.rows, now=now, user_id=user_id, show=wanted.show),
        "foreign": tuple(map(shown_foreign, board.foreign)),
        "shown_count": len(board.rows) + len(board.foreign),
        "empty": EMPTY[wanted.show],
        "is_filtered": bool(wanted.cluster or wanted.team or wanted.variant or wanted.text),
        "shown_at": now,
        "fleet": partial(fleet_strip, reach=seen_by(request.user), now=timezone.now()),
    }
    return respond(request, "exceptions/board.html", "exceptions/_board.html", context)


def read_filter(query: QueryDict) -> BoardFilter:
    """Read the filter from an address; what makes no sense does not filter."""
    page, show = query.get("page", ""), query.get("show", "")
    return BoardFilter(
        show=Show(show) if show in set(Show) else Show.ASKED,
        cluster=query.get("cluster", ""),
        team=query.get("team", ""),
        variant=query.get("policy", ""),
        text=query.get("q", "").strip()[:200],
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1,
    )


@require_safe
@login_required
def detail(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Show one exception."""
    return _page(request, exception_id)


@require_safe
@login_required
def progress(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Give the live part again, or nothing (204) while it is as the page has it."""
    row = _found(request, exception_id)
    live = _live(request, row)
    if live["is_moving"] and request.GET.get("seen") == live["fingerprint"]:
        return HttpResponse(status=204)
    context = _context(request, row, live)
    return respond(request, "exceptions/detail.html", "exceptions/_live.html", context)


@require_POST
@login_required
def approve(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Approve the revision that was looked at: all of it, or some workloads, or until an earlier end."""
    row = _found(request, exception_id)
    form = DecisionForm(request.POST)
    values = form.cleaned_data if form.is_valid() else {}
    if values and not values["workloads"]:
        form.add_error("workloads", "Tick at least one workload, or decline.")
    if form.errors:
        return _page(request, exception_id, decision=form)
    return _decide(
        request,
        exception_id,
        "Approved. The roll-out has begun.",
        lambda: exceptions.approve(
            exception_id=row.pk,
            revision=values["revision"],
            workloads=values["workloads"],
            ends_at=_agreed_end(values["ends_at"], row),
            comment=values["comment"],
            by=actor_of(request.user),
            now=timezone.now(),
        ),
        decision=form,
    )


def _agreed_end(typed: datetime | None, row: ExceptionRequest) -> datetime:
    """Take the end asked for where its day was not changed: forms know days alone."""
    asked = row.ends_at or timezone.now()
    return asked if typed is None or typed.date() == asked.date() else typed


@require_POST
@login_required
def decline(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Decline, with a comment."""
    row = _found(request, exception_id)
    form = DecisionForm(request.POST)
    form.fields["ends_at"].disabled = True
    if not form.is_valid():
        return _page(request, exception_id, decision=form)
    return _decide(
        request,
        exception_id,
        "Declined.",
        lambda: exceptions.decline(
            exception_id=row.pk,
            revision=form.cleaned_data["revision"],
            comment=form.cleaned_data["comment"],
            by=actor_of(request.user),
            now=timezone.now(),
        ),
        decision=form,
    )


@require_POST
@login_required
def withdraw(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Take the request back, or throw a draft away."""
    _found(request, exception_id)
    return _decide(
        request,
        exception_id,
        "Withdrawn.",
        lambda: exceptions.withdraw(
            exception_id=exception_id, by=actor_of(request.user), now=timezone.now()
        ),
    )


@require_POST
@login_required
def try_again(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Carry out once more what was not proven."""
    _found(request, exception_id)
    return _decide(
        request,
        exception_id,
        "Trying again.",
        lambda: exceptions.try_again(
            exception_id=exception_id, by=actor_of(request.user), now=timezone.now()
        ),
    )


@require_POST
@login_required
def end(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """End it before its time, with a reason; gates are asked where the namespace is enforced."""
    _found(request, exception_id)
    return _decide(
        request,
        exception_id,
        "Its end has begun.",
        lambda: exception_ends.end(
            exception_id=exception_id,
            ending=_ending(request.POST.get("ending", "")),
            reason=request.POST.get("reason", ""),
            override_reason=request.POST.get("override_reason", ""),
            by=actor_of(request.user),
            now=timezone.now(),
        ),
    )


def _ending(typed: str) -> exception_ends.Ending:
    """Read why it is to end. Raises Refused."""
    if typed == "revoked":
        return "revoked"
    if typed == "not needed":
        return "not needed"
    raise Refused("Say whether it is revoked or no longer needed.")


def _decide(
    request: HttpRequest,
    exception_id: UUID,
    done: str,
    act: Callable[[], ExceptionRequest],
    *,
    decision: DecisionForm | None = None,
) -> HttpResponse:
    try:
        act()
    except KNOWN as error:
        return _page(request, exception_id, trouble=trouble_of(error), decision=decision)
    messages.success(request, done)
    return see_other("policies:exception", exception_id)


def _found(request: HttpRequest, exception_id: UUID) -> ExceptionRequest:
    rows = seen(reach=seen_by(request.user), user_id=actor_of(request.user).user_id)
    people = ("requested_by", "decided_by", "ending_by")
    return get_object_or_404(rows.select_related("variant__cluster", *people), pk=exception_id)


def _page(
    request: HttpRequest,
    exception_id: UUID,
    *,
    trouble: Trouble | None = None,
    decision: DecisionForm | None = None,
) -> HttpResponse:
    row = _found(request, exception_id)
    context = _context(request, row, _live(request, row))
    context |= {
        **_typed(request, decision, context["page"]),
        "trouble": trouble,
        "strip": data_strip(row.variant.cluster, now=timezone.now()),
        "current_cluster": row.variant.cluster.name,
    }
    status = 422 if decision and decision.errors else trouble.status if trouble else 200
    return respond(
        request, "exceptions/detail.html", "exceptions/_live.html", context, status=status
    )


def _live(request: HttpRequest, row: ExceptionRequest) -> dict[str, Any]:
    """Say how far its newest roll-out has got."""
    flip = newest_flip(row)
    found = flip_page(flip, reach=seen_by(request.user)) if flip else None
    progress = found.progress if found else None
    status = ExceptionStatus(row.status)
    return {
        "flip_id": found.id if found else None,
        "progress": progress,
        "ladders": shown_ladders(progress) if progress else (),
        "is_moving": status in MOVING or bool(progress and progress.is_active),
        "fingerprint": f"{status} {progress.fingerprint if progress else ''}".strip(),
    }


def _context(request: HttpRequest, row: ExceptionRequest, live: dict[str, Any]) -> dict[str, Any]:
    page = exception_page(row)
    return {
        **live,
        "page": page,
        "title": words.page_title(page),
        "state_sentence": words.state_sentence(page),
        "since": words.since(page),
        "evidence_summary": words.evidence_summary(page),
        "history": sentences(page.history),
        "controls": shown_controls(page.controls, row.variant.cluster.kubernetes_version),
        "can": words.possible(page, user_id=actor_of(request.user).user_id),
        "endings": words.ENDINGS,
        "cover": _cover(row, page),
        "ticket_is_link": page.ticket.startswith(("https://", "http://")),
        **_permits(request, page),
    }


def _permits(request: HttpRequest, page: ExceptionPage) -> dict[str, Any]:
    actor = actor_of(request.user)
    asked_by = page.row.requested_by_id
    decide, change = Act.DECIDE_EXCEPTION, Act.WITHDRAW_EXCEPTION
    return {
        "may_decide": permit(actor, decide, at=page.place, requested_by_id=asked_by),
        "may_change": permit(actor, change, at=page.place, requested_by_id=asked_by),
        "may_try_again": permit(actor, Act.REQUEST_EXCEPTION, at=page.place),
        "may_end": permit(actor, Act.END_EXCEPTION, at=page.place),
    }


def _typed(
    request: HttpRequest, decision: DecisionForm | None, page: ExceptionPage
) -> dict[str, Any]:
    """Keep what was typed into the form that was refused."""
    asked = words.day_of(page.asked_ends_at)
    values = decision.cleaned_data if decision else {}
    return {
        "decision": decision or DecisionForm(),
        "decision_day": (decision and decision.data.get("ends_at")) or asked,
        "asked_day": asked,
        "evidence": words.shown_evidence(page, ticked=values.get("workloads")),
        "end_typed": request.POST,
    }


def _cover(row: ExceptionRequest, page: ExceptionPage) -> ShownCover:
    """Say what it covers now: what was agreed to, or asked for."""
    spec = written_spec(row.variant, current_revisions([row.variant]).get(row.variant_id))
    wish = draft_exemption(
        row.namespace,
        page.row.workloads,
        page.controls,
        page.row.ends_at or timezone.now(),
        key=row.key,
    )
    return shown_cover(
        cover_of(row.variant.cluster, spec, page.here, wish), words.cover_title(page.row.status)
    )
