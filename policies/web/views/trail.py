"""The audit trail: its rows by filter, one row, and what is taken outside."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions.errors import Refused
from policies.actions.trail import note_export, sign_head, trail_key
from policies.domain.authority import Act
from policies.models import AuditEvent
from policies.queries.trail import event_page, no_page, trail_page
from policies.queries.trail_chain import last_check, last_kept_head
from policies.queries.trail_exports import exported
from policies.web.actors import actor_of, permit, seen_by
from policies.web.htmx import respond
from policies.web.numbers import page_number
from policies.web.presenters.trail import sentence, sentences, verb_title
from policies.web.presenters.trail_state import trail_state
from policies.web.trail_forms import OUTCOMES, file_name, read_filter

_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show who did what, newest first."""
    actor, reach = actor_of(request.user), seen_by(request.user)
    form = read_filter(request.GET)
    number = page_number(request.GET.get("page", ""))
    page = (
        trail_page(form.wanted, reach=reach, page=number)
        if form.is_valid()
        else no_page(reach=reach)
    )
    context = {
        "page": page,
        "lines": sentences(page.events),
        "filter": form.typed,
        "problems": form.problems,
        "verbs": tuple((verb, verb_title(verb)) for verb in page.verbs),
        "outcomes": OUTCOMES,
        "shown_at": timezone.now(),
        "may_export": permit(actor, Act.EXPORT_TRAIL),
        "state": trail_state(last_check(), last_kept_head()),
        "has_key": trail_key() is not None,
    }
    return respond(request, "trail/page.html", "trail/_rows.html", context)


@require_safe
@login_required
def event(request: HttpRequest, sequence: int) -> HttpResponse:
    """Show one row, and whether it fits into the chain."""
    actor = actor_of(request.user)
    try:
        page = event_page(sequence, reach=seen_by(request.user))
    except AuditEvent.DoesNotExist as error:
        raise Http404 from error
    context = {
        "page": page,
        "line": sentence(page.event),
        "may_export": permit(actor, Act.EXPORT_TRAIL),
    }
    return respond(request, "trail/event.html", "trail/_event.html", context)


@require_POST
@login_required
def export(request: HttpRequest) -> HttpResponseBase:
    """Give the rows that the filter lets through as a file, a piece at a time."""
    form = read_filter(request.POST)
    if not form.is_valid():
        raise Refused("The filter cannot be read.", form.problems)
    kind, now = request.POST.get("format", ""), timezone.now()
    before = note_export(wanted=form.wanted, form=kind, by=actor_of(request.user), now=now)
    return StreamingHttpResponse(
        exported(form.wanted, form=kind, before=before),
        content_type=f"{_TYPES[kind]}; charset=utf-8",
        headers=_download(file_name("rows", kind, now)),
    )


@require_POST
@login_required
def head(request: HttpRequest) -> HttpResponse:
    """Give the trail's head, signed, to keep outside."""
    now = timezone.now()
    signed = sign_head(by=actor_of(request.user), now=now)
    return HttpResponse(
        f"{signed.to_text()}\n",
        content_type="application/json",
        headers=_download(file_name("head", "json", now)),
    )


def _download(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
