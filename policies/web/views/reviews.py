"""The review of one namespace for one variant, and asking for a rehearsal."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import rehearsals
from policies.domain.authority import Act, Place
from policies.queries.exceptions import exempted
from policies.queries.freshness import data_strip
from policies.queries.reviews import load_review
from policies.web.actors import actor_of, permit, seen_by
from policies.web.htmx import is_htmx, respond, see_other
from policies.web.numbers import page_number
from policies.web.presenters.readiness import shown_cell
from policies.web.presenters.reviews import counts, differences, shown_workloads


@require_safe
@login_required
def review(request: HttpRequest, variant_id: int, namespace: str) -> HttpResponse:
    """Show each workload and what report, posture and rehearsal say of it."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    space = get_object_or_404(reach.namespaces(), cluster=variant.cluster, name=namespace)
    here = Place(variant.cluster.name, space.name, space.labels)
    now = timezone.now()
    actor = actor_of(request.user)
    exempt = {(n.kind.value, n.name): row for n, row in exempted(variant, space.name).items()}
    page = page_number(request.GET.get("page", ""))
    found = load_review(variant, space, reach=reach, now=now, page=page, exempt=exempt.keys())
    exempt_count = sum((w.kind, w.name) in exempt for w in found.failing)
    workloads = shown_workloads(found, variant.cluster.kubernetes_version, exempt)
    context = {
        "review": found,
        "variant": variant,
        "shown": shown_cell(found.cell, now=now),
        "counts": counts(found),
        "differences": differences(found),
        "workloads": tuple(w for w in workloads if not w.exception_id),
        "failing_count": len(found.failing) - exempt_count,
        "exempt": tuple(w for w in workloads if w.exception_id),
        "exempt_count": exempt_count,
        "strip": data_strip(variant.cluster, now=now),
        "current_cluster": variant.cluster.name,
        "may_rehearse": permit(actor, Act.REHEARSE, at=here),
        "may_ask": permit(actor, Act.REQUEST_EXCEPTION, at=here),
        "may_plan": permit(actor, Act.REQUEST_FLIP, at=here),
    }
    return respond(request, "reviews/page.html", "reviews/_review.html", context)


@require_POST
@login_required
def rehearse(request: HttpRequest, variant_id: int, namespace: str) -> HttpResponse:
    """Queue a rehearsal in this namespace."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    get_object_or_404(reach.namespaces(), cluster=variant.cluster, name=namespace)
    started = rehearsals.request_rehearsal(
        variant_id=variant.pk,
        namespaces=(namespace,),
        by=actor_of(request.user),
        now=timezone.now(),
    )
    if started:
        messages.success(request, f"The rehearsal in {namespace} has begun.")
    else:
        messages.info(request, f"A rehearsal in {namespace} is under way already.")
    if is_htmx(request):
        request.method = "GET"
        return review(request, variant_id, namespace)
    return see_other("policies:review", variant_id, namespace)
