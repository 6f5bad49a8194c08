"""The audit trail."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.queries.trail import TrailFilter, trail_page
from policies.web.actors import seen_by
from policies.web.htmx import respond
from policies.web.presenters.trail import sentences, verb_title

OUTCOMES = ("ok", "refused", "failed")


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show who did what, newest first."""
    query = request.GET
    wanted = TrailFilter(
        cluster=query.get("cluster", ""),
        actor=query.get("actor", ""),
        verb=query.get("verb", ""),
        outcome=query.get("outcome", ""),
        text=query.get("q", "").strip(),
    )
    number = query.get("page", "")
    page = trail_page(
        wanted, reach=seen_by(request.user), page=int(number) if number.isdigit() else 1
    )
    context = {
        "page": page,
        "lines": sentences(page.events),
        "filter": wanted,
        "verbs": tuple((verb, verb_title(verb)) for verb in page.verbs),
        "outcomes": OUTCOMES,
        "shown_at": timezone.now(),
    }
    return respond(request, "trail/page.html", "trail/_rows.html", context)
