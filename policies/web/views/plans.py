"""The plan page: a fresh preview, and the request that freezes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import flips
from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError
from policies.domain.authority import Act, Actor
from policies.domain.judges import judge_of
from policies.domain.lifecycle import EXEMPTING_VERBS, FlipVerb
from policies.domain.plans import Plan
from policies.models import Flip, Variant
from policies.queries.freshness import data_strip
from policies.queries.offenders import offenders
from policies.queries.places import flip_places
from policies.queries.plans import seen_plan
from policies.queries.reach import Reach
from policies.queries.specs import spec_of
from policies.web.actors import actor_of, permit, seen_by
from policies.web.errors import trouble_of
from policies.web.htmx import respond, see_other
from policies.web.numbers import whole_number
from policies.web.presenters.plans import shown_plan
from policies.web.presenters.readiness import shown_offenders

OFFENDERS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be planned."""

    variant: Variant
    verb: FlipVerb
    namespaces: tuple[str, ...]
    removes: str = ""
    """The exception of somebody else that is to go, as `group/namespace/name`."""


@require_safe
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show a fresh plan; nothing is written, neither here nor on the cluster."""
    return _page(request, _wanted(request, request.GET))


@require_POST
@login_required
def request_flip(request: HttpRequest) -> HttpResponse:
    """Ask for the flip that was shown."""
    wanted = _wanted(request, request.POST)
    try:
        flip = _request(request, wanted)
    except Refused as error:
        return _page(request, wanted, refusal=error)
    messages.success(request, "Requested. Somebody else has to approve it.")
    return see_other("policies:flip", flip.pk)


def _request(request: HttpRequest, wanted: Wanted) -> Flip:
    plan_digest, reason = request.POST.get("plan_digest", ""), request.POST.get("reason", "")
    override_reason = request.POST.get("override_reason", "")
    by, now = actor_of(request.user), timezone.now()
    if wanted.verb is FlipVerb.REMOVE_EXCEPTION:
        return flips.request_removal(
            variant_id=wanted.variant.pk,
            removes=wanted.removes,
            plan_digest=plan_digest,
            reason=reason,
            override_reason=override_reason,
            by=by,
            now=now,
        )
    return flips.request(
        variant_id=wanted.variant.pk,
        verb=wanted.verb,
        namespaces=wanted.namespaces,
        plan_digest=plan_digest,
        reason=reason,
        override_reason=override_reason,
        by=by,
        now=now,
    )


def _preview(wanted: Wanted, *, by: Actor, now: datetime) -> Plan:
    variant_id = wanted.variant.pk
    if wanted.verb is FlipVerb.REMOVE_EXCEPTION:
        return flips.preview_removal(variant_id=variant_id, removes=wanted.removes, by=by, now=now)
    return flips.preview(
        variant_id=variant_id, verb=wanted.verb, namespaces=wanted.namespaces, by=by, now=now
    )


def _wanted(request: HttpRequest, query: QueryDict) -> Wanted:
    try:
        verb = FlipVerb(query.get("verb", FlipVerb.ENFORCE.value))
    except ValueError as error:
        raise Http404 from error
    variant_id = whole_number(query.get("variant", ""))
    reach = seen_by(request.user)
    if verb in EXEMPTING_VERBS:
        raise Http404
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    namespaces = tuple(sorted(set(query.getlist("namespace"))))
    if not reach.sees_all_of(variant.cluster_id) and not all(
        reach.sees(variant.cluster_id, name) for name in namespaces
    ):
        raise Http404
    return Wanted(variant, verb, namespaces, query.get("removes", "")[:400])


def _page(request: HttpRequest, wanted: Wanted, *, refusal: Refused | None = None) -> HttpResponse:
    actor = actor_of(request.user)
    reach = seen_by(request.user)
    now = timezone.now()
    context: dict[str, Any] = {
        "wanted": wanted,
        "variant": wanted.variant,
        "strip": data_strip(wanted.variant.cluster, now=now),
        "current_cluster": wanted.variant.cluster.name,
    }
    try:
        plan = _preview(wanted, by=actor, now=now)
    except (Refused, ClusterError) as error:
        return _no_plan(request, error, context)
    at = flip_places(wanted.variant.cluster, wanted.verb, wanted.namespaces)
    context |= {
        "plan": shown_plan(seen_plan(plan, cluster_id=wanted.variant.cluster_id, reach=reach)),
        "offenders": planned_offenders(wanted.variant, plan, reach),
        "trouble": trouble_of(refusal) if refusal else None,
        "typed": request.POST,
        "planned_at": now,
        "may_request": permit(actor, Act.REQUEST_FLIP, at=at),
        "may_override": permit(actor, Act.OVERRIDE_GATES, at=at),
    }
    status = 409 if refusal else 200
    return respond(request, "plans/page.html", "plans/page.html", context, status=status)


def _no_plan(
    request: HttpRequest, error: Refused | ClusterError, context: dict[str, Any]
) -> HttpResponse:
    trouble = trouble_of(error)
    page = "plans/trouble.html"
    again = request.get_full_path() if request.method == "GET" else ""
    values = {**context, "trouble": trouble, "again": again}
    return respond(request, page, page, values, status=trouble.status if trouble else 409)


def planned_offenders(variant: Variant, plan: Plan, reach: Reach) -> Any:
    """Name the workloads that a plan would have refused, as they were collected last."""
    if plan.verb in {FlipVerb.ROLLBACK, FlipVerb.REMOVE_EXCEPTION, *EXEMPTING_VERBS}:
        return ()
    is_install = plan.verb is FlipVerb.INSTALL
    namespaces = plan.enforced_after if is_install else plan.namespaces
    judge = judge_of(spec_of(variant)) if is_install else None
    found = offenders(variant, namespaces, reach=reach, judge=judge, limit=OFFENDERS_SHOWN)
    return shown_offenders(found)
