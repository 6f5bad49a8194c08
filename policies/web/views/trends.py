"""Trends: how a policy's figures went from day to day, as a page and as a file."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from policies.queries.freshness import data_strip
from policies.queries.trends import DEFAULT_RANGE, NAMESPACE_LIMIT, RANGES, TrendFilter, load_trend
from policies.web.actors import seen_by
from policies.web.htmx import respond
from policies.web.numbers import whole_number
from policies.web.presenters.trends import (
    chart,
    csv_text,
    gaps,
    shown_days,
    shown_policies,
    summary,
)


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """Show the trend of one policy on one cluster."""
    reach = seen_by(request.user)
    clusters = reach.clusters()
    name = request.GET.get("cluster", "")
    cluster = get_object_or_404(clusters, name=name) if name else clusters.first()
    if cluster is None:
        return render(request, "policies/trends/no_cluster.html")
    now = timezone.now()
    wanted = read_filter(request.GET)
    page = load_trend(cluster, wanted, reach=reach, now=now)
    days = shown_days(page)
    context = {
        "cluster": cluster,
        "current_cluster": cluster.name,
        "page": page,
        "filter": wanted,
        "ranges": RANGES,
        "policies": shown_policies(page, wanted.policy),
        "days": days,
        "has_gaps": any(day.gap for day in days),
        "summary": summary(page),
        "gaps": gaps(page),
        "chart": chart(page),
        "namespace_limit": NAMESPACE_LIMIT,
        "strip": data_strip(cluster, now=now),
    }
    return respond(request, "trends/page.html", "trends/_trend.html", context)


@require_safe
@login_required
def download(request: HttpRequest) -> HttpResponse:
    """Give the rows of the table as a file."""
    reach = seen_by(request.user)
    cluster = get_object_or_404(reach.clusters(), name=request.GET.get("cluster", ""))
    page = load_trend(cluster, read_filter(request.GET), reach=reach, now=timezone.now())
    policy = slugify(page.policy.name) if page.policy else "nothing"
    name = f"secprof-trend-{cluster.name}-{policy}.csv"
    return HttpResponse(
        csv_text(page),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


def read_filter(query: QueryDict) -> TrendFilter:
    """Read the filter from an address; what makes no sense does not filter."""
    days = whole_number(query.get("days", ""))
    return TrendFilter(
        policy=query.get("policy", ""),
        team=query.get("team", ""),
        namespace=query.get("namespace", "").strip(),
        days=days if days in RANGES else DEFAULT_RANGE,
    )
