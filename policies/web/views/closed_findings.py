"""Findings that are over, each with its life."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.queries.closed_findings import ClosedFilter, closed_findings
from policies.queries.freshness import data_strip
from policies.web.actors import seen_by
from policies.web.htmx import respond
from policies.web.numbers import whole_number


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List the findings of one cluster that are over."""
    reach = seen_by(request.user)
    clusters = reach.clusters()
    query = request.GET
    name = query.get("cluster", "")
    cluster = get_object_or_404(clusters, name=name) if name else clusters.first()
    if cluster is None:
        return render(request, "policies/trends/no_cluster.html")
    wanted = ClosedFilter(
        policy=query.get("policy", "").strip(),
        namespace=query.get("namespace", "").strip(),
        before=whole_number(query.get("before", "")),
    )
    context = {
        "cluster": cluster,
        "current_cluster": cluster.name,
        "page": closed_findings(cluster, wanted, reach=reach),
        "filter": wanted,
        "strip": data_strip(cluster, now=timezone.now()),
    }
    return respond(request, "trends/findings.html", "trends/_findings.html", context)
