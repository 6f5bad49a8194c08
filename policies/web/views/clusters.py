"""Clusters: the list, one cluster, adding one, its credential, its connection and its collection."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from policies.actions import clusters, collection
from policies.actions.errors import Refused
from policies.cluster.kubeconfig import InvalidKubeconfig
from policies.domain.authority import Act, require
from policies.queries.clusters import cluster_page, cluster_rows
from policies.queries.places import place_of
from policies.queries.reported import reported_on
from policies.web.actors import actor_of, permit, seen_by
from policies.web.forms import ClusterForm, CredentialForm
from policies.web.htmx import is_htmx, respond, see_other
from policies.web.numbers import page_number
from policies.web.presenters.clusters import grouped, shown_modes


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List all clusters."""
    page = page_number(request.GET.get("page", ""))
    found = cluster_rows(reach=seen_by(request.user), now=timezone.now(), page=page)
    context = {
        "found": found,
        "rows": found.rows,
        "may_add": permit(actor_of(request.user), Act.ADD_CLUSTER),
    }
    return respond(request, "clusters/list.html", "clusters/_rows.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show the form for a cluster, or take one in."""
    actor = actor_of(request.user)
    require(actor, Act.ADD_CLUSTER)
    form = ClusterForm(request.POST or None)
    if form.is_valid():
        values = form.cleaned_data
        try:
            cluster = clusters.add_cluster(
                name=values["name"],
                kubeconfig=values["kubeconfig"],
                context=values["context"] or None,
                by=actor,
                now=timezone.now(),
            )
        except InvalidKubeconfig as error:
            form.add_error("kubeconfig", str(error))
        except Refused as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, f"{cluster.name} was added; its first collection is due.")
            return see_other("policies:cluster", cluster.pk)
    status = 422 if form.is_bound else 200
    return respond(request, "clusters/new.html", "clusters/new.html", {"form": form}, status=status)


@require_safe
@login_required
def detail(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Show one cluster; HTMX gets what a collection changes."""
    return _answer(request, cluster_id)


@require_POST
@login_required
def test(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Ask API server and engine now."""
    get_object_or_404(seen_by(request.user).clusters(), pk=cluster_id)
    cluster = clusters.test_connection(
        cluster_id=cluster_id, by=actor_of(request.user), now=timezone.now()
    )
    if cluster.contact_state == "ok":
        messages.success(request, f"{cluster.name} answers.")
    else:
        messages.error(request, f"{cluster.name}: {cluster.contact_message}")
    return (
        _answer(request, cluster_id)
        if is_htmx(request)
        else see_other("policies:cluster", cluster_id)
    )


@require_POST
@login_required
def collect(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Make a collection due now."""
    cluster = get_object_or_404(seen_by(request.user).clusters(), pk=cluster_id)
    collection.request_collection(
        cluster_id=cluster_id, by=actor_of(request.user), now=timezone.now()
    )
    messages.success(request, f"A collection of {cluster.name} is due now.")
    return (
        _answer(request, cluster_id)
        if is_htmx(request)
        else see_other("policies:cluster", cluster_id)
    )


@require_POST
@login_required
def credential(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """Replace the credential of a cluster."""
    get_object_or_404(seen_by(request.user).clusters(), pk=cluster_id)
    form = CredentialForm(request.POST)
    if form.is_valid():
        try:
            cluster = clusters.replace_credential(
                cluster_id=cluster_id,
                kubeconfig=form.cleaned_data["kubeconfig"],
                context=form.cleaned_data["context"] or None,
                by=actor_of(request.user),
                now=timezone.now(),
            )
        except InvalidKubeconfig as error:
            form.add_error("kubeconfig", str(error))
        else:
            messages.success(request, f"The credential of {cluster.name} was replaced.")
            return see_other("policies:cluster", cluster_id)
    return _answer(request, cluster_id, form=form, status=422)


def _answer(
    request: HttpRequest, cluster_id: int, *, form: CredentialForm | None = None, status: int = 200
) -> HttpResponse:
    reach = seen_by(request.user)
    found = get_object_or_404(reach.clusters().select_related("created_by"), pk=cluster_id)
    actor = actor_of(request.user)
    here = place_of(found)
    page = cluster_page(found, reach=reach, now=timezone.now())
    context: dict[str, Any] = {
        "page": page,
        "cluster": page.cluster,
        "modes": shown_modes(page.standings),
        "excess": grouped(page.excess),
        "reported": reported_on(found, reach=reach, now=timezone.now()),
        "strip": page.cluster.strip,
        "current_cluster": page.cluster.name,
        "form": form or CredentialForm(),
        "is_sandbox": page.cluster.gateway == "sandbox",
        "may_test": permit(actor, Act.TEST_CONNECTION, at=here),
        "may_collect": permit(actor, Act.COLLECT, at=here),
        "may_replace": permit(actor, Act.ADD_CLUSTER, at=here),
    }
    return respond(request, "clusters/detail.html", "clusters/_state.html", context, status=status)
