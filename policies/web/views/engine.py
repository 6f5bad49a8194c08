"""The engine of one cluster: what runs, what it is set to, and what follows from that."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.queries.engine import engine_page
from policies.queries.freshness import data_strip
from policies.web.actors import seen_by
from policies.web.htmx import respond
from policies.web.numbers import page_number
from policies.web.presenters.engine import (
    shown_config,
    shown_controllers,
    shown_exceptions,
    shown_hazards,
    shown_webhooks,
)


@require_safe
@login_required
def detail(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Show the engine of one cluster; HTMX gets the namespaces that are not enforceable."""
    reach = seen_by(request.user)
    cluster = get_object_or_404(reach.clusters(), pk=cluster_id)
    page = engine_page(cluster, reach=reach, page=page_number(request.GET.get("page", "")))
    context = {
        "page": page,
        "cluster": cluster,
        "current_cluster": cluster.name,
        "strip": data_strip(cluster, now=timezone.now()),
        "hazards": shown_hazards(page.hazards),
        "controllers": shown_controllers(page),
        "exceptions": shown_exceptions(page),
        "config": shown_config(page),
        "webhooks": shown_webhooks(page),
    }
    return respond(request, "clusters/engine.html", "clusters/_barred.html", context)
