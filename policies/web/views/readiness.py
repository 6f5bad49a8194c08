"""The readiness matrix, and the panel of one of its cells."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from policies.domain.authority import Act, Actor, Place
from policies.domain.readiness import GateId
from policies.models import Cluster, ObservedNamespace, Variant
from policies.queries.cells import Cell, CellState
from policies.queries.denials import since_flip, unread_on
from policies.queries.exceptions import exempted
from policies.queries.freshness import data_strip
from policies.queries.matrix import (
    STAGES,
    VERDICTS,
    Column,
    Matrix,
    MatrixFilter,
    load_cell,
    load_matrix,
)
from policies.queries.offenders import offenders
from policies.queries.places import place_of
from policies.queries.reach import Reach
from policies.queries.trends import trend_key
from policies.web.actors import Permit, actor_of, permit, permit_on_any, seen_by
from policies.web.htmx import is_htmx, respond
from policies.web.numbers import page_number, whole_number
from policies.web.presenters.denials import shown_denials
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
    clusters = seen_by(request.user).clusters()
    cluster = get_object_or_404(clusters, name=name) if name else clusters.first()
    if cluster is None:
        return render(request, "policies/readiness/no_cluster.html")
    context = _matrix_context(request, cluster)
    return respond(request, "readiness/page.html", "readiness/_matrix.html", context)


@require_safe
@login_required
def cell(request: HttpRequest, variant_id: int, namespace: str) -> HttpResponse:
    """Show one cell in a panel, beside the matrix or alone for HTMX."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    space = get_object_or_404(reach.namespaces(), cluster=variant.cluster, name=namespace)
    around: dict[str, Any] = {
        "back_query": request.GET.urlencode(),
        "current_cluster": variant.cluster.name,
    }
    known = None
    if not is_htmx(request):
        opened = (variant.pk, space.name)
        around = _matrix_context(request, variant.cluster, opened=opened)
        known = around["matrix"].cell(*opened)
    found = known or load_cell(variant, space, reach=reach, now=timezone.now())
    context = {**around, **_cell_context(found, variant, space, actor_of(request.user), reach)}
    return respond(request, "readiness/page.html", "readiness/_panel.html", context)


def _matrix_context(
    request: HttpRequest, cluster: Cluster, *, opened: tuple[int, str] | None = None
) -> dict[str, Any]:
    now = timezone.now()
    wanted = read_filter(request.GET)
    found = load_matrix(cluster, wanted, reach=seen_by(request.user), now=now)
    permits, may_plan = _permits_to_plan(found, cluster, actor_of(request.user))
    query = request.GET.copy()
    query["cluster"] = cluster.name
    return {
        "matrix": found,
        "rows": shown_rows(found, permits=permits, now=now, opened=opened),
        "filter": wanted,
        "stages": STAGES,
        "verdict_names": VERDICTS,
        "strip": data_strip(cluster, now=now),
        "cluster": cluster,
        "current_cluster": cluster.name,
        "searched": wanted.text,
        "plan_column": _plan_column(found.columns, request.GET),
        "may_plan": may_plan,
        "back_query": query.urlencode(),
    }


def _permits_to_plan(
    found: Matrix, cluster: Cluster, actor: Actor
) -> tuple[dict[str, Permit], Permit]:
    """Say for each row, and for the button above them, whether a flip may be asked for there."""
    rows = {row.namespace: permit(actor, Act.REQUEST_FLIP, at=row.place) for row in found.rows}
    places = [row.place for row in found.rows] or [place_of(cluster)]
    return rows, permit_on_any(actor, Act.REQUEST_FLIP, places)


def _plan_column(columns: tuple[Column, ...], query: QueryDict) -> int | None:
    chosen = whole_number(query.get("variant", ""))
    ids = [column.variant_id for column in columns if column.is_installed]
    return chosen if chosen in ids else next(iter(ids), None)


def read_filter(query: QueryDict) -> MatrixFilter:
    """Read the filter from an address; what makes no sense does not filter."""
    stage = query.get("stage", "")
    verdict = query.get("verdict", "")
    return MatrixFilter(
        team=query.get("team", ""),
        verdict=verdict if verdict in VERDICTS else "",
        stage=stage if stage in STAGES else "",
        text=query.get("q", "").strip(),
        with_system=query.get("system") == "1",
        page=page_number(query.get("page", "")),
    )


def _cell_context(
    found: Cell, variant: Variant, space: ObservedNamespace, actor: Actor, reach: Reach
) -> dict[str, Any]:
    now, verdict = timezone.now(), found.verdict
    exempt = exempted(variant, space.name)
    spared = {(name.kind.value, name.name) for name in exempt}
    failing = offenders(variant, [space.name], reach=reach, limit=OFFENDERS_SHOWN + len(spared))
    worst = tuple(o for o in failing if (o.kind, o.name) not in spared)[:OFFENDERS_SHOWN]
    failing_count = verdict.gate(GateId.POSTURE).number or 0
    place = Place(variant.cluster.name, space.name, space.labels)
    return {
        "cell": found,
        "shown": shown_cell(found, now=now),
        "gates": shown_gates(verdict),
        "space": space,
        "variant": variant,
        "trend_policy": trend_key(variant),
        "offenders": shown_offenders(worst),
        "exempt_count": len(exempt),
        "exempt_note": count_of(len(exempt), "workload"),
        **_denied(variant, found, reach),
        "may_ask": permit(actor, Act.REQUEST_EXCEPTION, at=place),
        "more_offenders": max(0, failing_count - len(worst)),
        **_permits(found, actor, place),
    }


def _denied(variant: Variant, found: Cell, reach: Reach) -> dict[str, Any]:
    """Say what was refused here since the proof; nothing where nothing is proven."""
    if found.proven_at is None:
        return {}
    rows = since_flip(
        cluster_id=variant.cluster_id,
        variant=variant.name,
        namespaces=[found.namespace],
        since=found.proven_at,
        reach=reach,
    )
    return {
        "denied": shown_denials(rows[:OFFENDERS_SHOWN]),
        "more_denied": max(0, len(rows) - OFFENDERS_SHOWN),
        "unread": unread_on(variant.cluster, now=timezone.now()),
    }


def _permits(found: Cell, actor: Actor, here: Place) -> dict[str, Any]:
    open_states = {CellState.READY, CellState.BLOCKED, CellState.UNKNOWN, CellState.UNPROVEN}
    is_judged = found.verdict.barred is None
    can_plan = found.is_installed and found.state in {*open_states, CellState.LOST}
    return {
        "can_plan": can_plan and is_judged,
        "can_roll_back": found.state in {CellState.ENFORCED, CellState.UNPROVEN, CellState.ROLLING},
        "may_rehearse": permit(actor, Act.REHEARSE, at=here),
        "may_plan": permit(actor, Act.REQUEST_FLIP, at=here),
        "may_roll_back": permit(actor, Act.ROLL_BACK, at=here),
    }
