"""Profiles on nodes: the page, the nodes of one pool, and what admins declare."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from policies.actions import inventory
from policies.actions.errors import Refused
from policies.domain.authority import Act
from policies.domain.controls import Mechanism
from policies.domain.inventory import Reference
from policies.models import Cluster
from policies.queries.freshness import data_strip
from policies.queries.inventory_pages import (
    Loaded,
    declared_pools,
    declared_profiles,
    load,
    load_page,
    load_pool_nodes,
)
from policies.queries.places import place_of
from policies.web.actors import actor_of, permit, seen_by
from policies.web.htmx import SeeOther, is_htmx, respond
from policies.web.inventory_forms import DeclaredProfileForm, PoolForm
from policies.web.numbers import page_number
from policies.web.presenters.inventory import (
    shown_columns,
    shown_nodes,
    shown_references,
    shown_rows,
    sources,
    tally,
)


@require_safe
@login_required
def nodes(request: HttpRequest) -> HttpResponse:
    """Show profile by node, and what workloads name."""
    cluster = _chosen_cluster(request)
    if cluster is None:
        return render(request, "policies/readiness/no_cluster.html")
    return _answer(request, cluster)


@require_safe
@login_required
def pool_nodes(request: HttpRequest) -> HttpResponse:
    """Show the nodes of one pool with one profile, beside the matrix or alone for HTMX."""
    cluster = get_object_or_404(
        seen_by(request.user).clusters(), name=request.GET.get("cluster", "")
    )
    query = request.GET
    try:
        mechanism = Mechanism(query.get("mechanism", ""))
    except ValueError as error:
        raise Http404 from error
    now = timezone.now()
    loaded = load(cluster, now=now)
    found = load_pool_nodes(
        cluster,
        loaded,
        Reference(mechanism, query.get("profile", "")),
        query.get("pool", ""),
        reach=seen_by(request.user),
        page=_page_number(request),
        now=now,
    )
    panel = {"panel": found, "panel_nodes": shown_nodes(found), "cluster": cluster}
    if is_htmx(request):
        return respond(request, "inventory/page.html", "inventory/_nodes.html", panel)
    return _answer(request, cluster, extra=panel, loaded=loaded)


@require_POST
@login_required
def declare_pool(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Declare a pool of nodes."""
    cluster = get_object_or_404(seen_by(request.user).clusters(), pk=cluster_id)
    form = PoolForm(request.POST)
    if form.is_valid():
        try:
            pool = inventory.declare_pool(
                cluster_id=cluster.pk,
                **form.cleaned_data,
                by=actor_of(request.user),
                now=timezone.now(),
            )
        except Refused as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, f"The pool {pool.name} is declared.")
            return _back(cluster.name)
    return _answer(request, cluster, extra={"pool_form": form}, status=422)


@require_POST
@login_required
def declare_profile(request: HttpRequest, pool_id: int) -> HttpResponse:
    """Declare that a profile lies on every node of a pool."""
    pool = get_object_or_404(declared_pools(reach=seen_by(request.user)), pk=pool_id)
    form = DeclaredProfileForm(request.POST)
    if form.is_valid():
        try:
            inventory.declare_profile(
                pool_id=pool.pk,
                **form.cleaned_data,
                by=actor_of(request.user),
                now=timezone.now(),
            )
        except Refused as error:
            form.add_error("value", error.message)
        else:
            messages.success(request, f"{form.cleaned_data['value']} is declared.")
            return _back(pool.cluster.name)
    extra = {"profile_form": form, "profile_form_pool": pool.pk}
    return _answer(request, pool.cluster, extra=extra, status=422)


@require_POST
@login_required
def withdraw_pool(request: HttpRequest, pool_id: int) -> HttpResponse:
    """Take back a pool."""
    pool = get_object_or_404(declared_pools(reach=seen_by(request.user)), pk=pool_id)
    inventory.withdraw_pool(pool_id=pool_id, by=actor_of(request.user), now=timezone.now())
    messages.success(request, f"The pool {pool.name} was withdrawn.")
    return _back(pool.cluster.name)


@require_POST
@login_required
def withdraw_profile(request: HttpRequest, profile_id: int) -> HttpResponse:
    """Take back a declared profile."""
    found = get_object_or_404(declared_profiles(reach=seen_by(request.user)), pk=profile_id)
    inventory.withdraw_profile(profile_id=profile_id, by=actor_of(request.user), now=timezone.now())
    messages.success(request, f"{found.value} was withdrawn.")
    return _back(found.pool.cluster.name)


def _answer(
    request: HttpRequest,
    cluster: Cluster,
    *,
    extra: dict[str, Any] | None = None,
    loaded: Loaded | None = None,
    status: int = 200,
) -> HttpResponse:
    now = timezone.now()
    text = request.GET.get("q", "").strip()
    number = 1 if extra and "panel" in extra else _page_number(request)
    page = load_page(
        cluster,
        loaded or load(cluster, now=now),
        reach=seen_by(request.user),
        text=text,
        page=number,
        now=now,
    )
    context = {
        "cluster": cluster,
        "current_cluster": cluster.name,
        "strip": data_strip(cluster, now=now),
        "page": page,
        "text": text,
        "sources": sources(page),
        "columns": shown_columns(page),
        "rows": shown_rows(page, cluster.name),
        "references": shown_references(page),
        "tally": tally(page.outcomes),
        "pool_form": PoolForm(),
        "may_declare": permit(actor_of(request.user), Act.DECLARE_PROFILES, at=place_of(cluster)),
        **(extra or {}),
    }
    return respond(request, "inventory/page.html", "inventory/_facts.html", context, status=status)


def _chosen_cluster(request: HttpRequest) -> Cluster | None:
    name = request.GET.get("cluster", "")
    clusters = seen_by(request.user).clusters()
    return get_object_or_404(clusters, name=name) if name else clusters.first()


def _page_number(request: HttpRequest) -> int:
    return page_number(request.GET.get("page", ""))


def _back(cluster: str) -> HttpResponse:
    query = urlencode({"cluster": cluster})
    return SeeOther(f"{resolve_url('policies:profile-nodes')}?{query}")
