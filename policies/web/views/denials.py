"""What admission refused, folded by workload."""

from datetime import datetime, timedelta
from functools import partial

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.domain.denials import Attempt
from policies.queries.denials import DenialFilter, denial_page
from policies.queries.freshness import fleet_strip
from policies.web.actors import seen_by
from policies.web.htmx import respond
from policies.web.numbers import page_number
from policies.web.presenters.denials import ATTEMPTS, shown_denials

SINCE = {
    "hour": ("the last hour", timedelta(hours=1)),
    "day": ("the last 24 hours", timedelta(days=1)),
    "week": ("the last 7 days", timedelta(days=7)),
}


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List what was refused, the newest first."""
    now = timezone.now()
    wanted = read_filter(request.GET, now=now)
    page = denial_page(wanted, reach=seen_by(request.user), now=now)
    context = {
        "page": page,
        "lines": shown_denials(page.rows),
        "filter": wanted,
        "since": request.GET.get("since", ""),
        "spans": tuple((key, title) for key, (title, _) in SINCE.items()),
        "attempts": ATTEMPTS,
        "fleet": partial(fleet_strip, reach=seen_by(request.user), now=timezone.now()),
        "current_cluster": wanted.cluster,
    }
    return respond(request, "denials/page.html", "denials/_rows.html", context)


def read_filter(query: QueryDict, *, now: datetime) -> DenialFilter:
    """Read the filter from an address; what makes no sense does not filter."""
    attempt = query.get("attempt", "")
    span = SINCE.get(query.get("since", ""))
    return DenialFilter(
        cluster=query.get("cluster", ""),
        namespace=query.get("namespace", "").strip(),
        policy=query.get("policy", "").strip(),
        team=query.get("team", ""),
        attempt=attempt if attempt in set(Attempt) else "",
        since=now - span[1] if span else None,
        page=page_number(query.get("page", "")),
    )
