"""The readiness matrix, and the panel of one of its cells."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.domain.authority import Act, Actor, Place
from policies.models import Cluster, ObservedNamespace, Variant
from policies.queries.cells import Cell, CellState, load_situation
from policies.queries.exceptions import exempted
from policies.queries.freshness import data_strip
from policies.queries.matrix import STAGES, VERDICTS, Column, MatrixFilter, load_matrix
from policies.queries.offenders import offenders
from policies.queries.verdicts import verdicts
from policies.web.actors import actor_of, permit
from policies.web.htmx import is_htmx, respond
from policies.web.presenters.readiness import (
    shown_cell,
    shown_gates,
    shown_offenders,
    shown_rows,
)
from policies.web.words import count_of

OFFENDERS_SHOWN = 5


@require_safe
@login_required
def matrix(request: HttpRequest) -> HttpResponse:
    """Show the namespaces of one cluster by its variants."""
    name = request.GET.get("cluster", "")
    if name:
        cluster = get_object_or_404(Cluster.objects.defer("credential"), name=name)
    else:
        first = Cluster.objects.order_by("name").defer("credential").first()
        if first is None:
            return render(request, "policies/readiness/no_cluster.html")
        cluster = first
    context = _matrix_context(request, cluster)
    return respond(request, "readiness/page.html", "readiness/_matrix.html", context)


@require_safe
@login_required
def cell(request: HttpRequest, variant_id: int, namespace: str) -> HttpResponse:
    """Show one cell in a panel, beside the matrix or alone for HTMX."""
    variant = get_object_or_404(Variant.objects.select_related("cluster"), pk=variant_id)
    space = get_object_or_404(ObservedNamespace, cluster_id=variant.cluster_id, name=namespace)
    context = _cell_context(variant, space, actor_of(request.user))
    if not is_htmx(request):
        opened = (variant.pk, space.name)
        context = {**_matrix_context(request, variant.cluster, opened=opened), **context}
    else:
        context["back_query"] = request.GET.urlencode()
        context["current_cluster"] = variant.cluster.name
    return respond(request, "readiness/page.html", "readiness/_panel.html", context)


def _matrix_context(
    request: HttpRequest, cluster: Cluster, *, opened: tuple[int, str] | None = None
) -> dict[str, Any]:
    now = timezone.now()
    wanted = read_filter(request.GET)
    found = load_matrix(cluster, wanted, now=now)
    query = request.GET.copy()
    query["cluster"] = cluster.name
    return {
        "matrix": found,
        "rows": shown_rows(found, now=now, opened=opened),
        "filter": wanted,
        "stages": STAGES,
        "verdict_names": VERDICTS,
        "strip": data_strip(cluster, now=now),
        "cluster": cluster,
        "current_cluster": cluster.name,
        "searched": wanted.text,
        "plan_column": _plan_column(found.columns, request.GET),
        "may_plan": permit(actor_of(request.user), Act.REQUEST_FLIP),
        "back_query": query.urlencode(),
    }


def _plan_column(columns: tuple[Column, ...], query: QueryDict) -> int | None:
    chosen = query.get("variant", "")
    ids = [column.variant_id for column in columns if column.is_installed]
    return int(chosen) if chosen.isdigit() and int(chosen) in ids else next(iter(ids), None)


def read_filter(query: QueryDict) -> MatrixFilter:
    """Read the filter from an address; what makes no sense does not filter."""
    page = query.get("page", "")
    stage = query.get("stage", "")
    verdict = query.get("verdict", "")
    return MatrixFilter(
        team=query.get("team", ""),
        verdict=verdict if verdict in VERDICTS else "",
        stage=stage if stage in STAGES else "",
        text=query.get("q", "").strip(),
        with_system=query.get("system") == "1",
        page=int(page) if page.isdigit() else 1,
    )


def _cell_context(variant: Variant, space: ObservedNamespace, actor: Actor) -> dict[str, Any]:
    now = timezone.now()
    verdict = verdicts(variants=[variant], now=now, namespaces=[space.name])[variant.pk, space.name]
    situation = load_situation([variant], namespaces=[space.name])
    found = situation.cell(variant.pk, verdict, is_system=space.is_system)
    exempt = exempted(variant, space.name)
    spared = {(name.kind.value, name.name) for name in exempt}
    worst = [o for o in offenders(variant, [space.name]) if (o.kind, o.name) not in spared]
    place = Place(variant.cluster.name, space.name, space.labels)
    return {
        "cell": found,
        "shown": shown_cell(found, now=now),
        "gates": shown_gates(verdict),
        "space": space,
        "variant": variant,
        "offenders": shown_offenders(tuple(worst[:OFFENDERS_SHOWN])),
        "exempt_count": len(exempt),
        "exempt_note": count_of(len(exempt), "workload"),
        "may_ask": permit(actor, Act.REQUEST_EXCEPTION, at=place),
        "more_offenders": max(0, len(worst) - OFFENDERS_SHOWN),
        **_permits(found, actor),
    }


def _permits(found: Cell, actor: Actor) -> dict[str, Any]:
    open_states = {CellState.READY, CellState.BLOCKED, CellState.UNKNOWN, CellState.UNPROVEN}
    return {
        "can_plan": found.is_installed and found.state in {*open_states, CellState.LOST},
        "can_roll_back": found.state in {CellState.ENFORCED, CellState.UNPROVEN, CellState.ROLLING},
        "may_rehearse": permit(actor, Act.REHEARSE),
        "may_plan": permit(actor, Act.REQUEST_FLIP),
        "may_roll_back": permit(actor, Act.ROLL_BACK),
    }
