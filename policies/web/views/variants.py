"""Variants: the list, one with its objects and revisions, those of one template beside each other, and rolling back."""

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import flips, variants
from policies.domain.authority import Act, Place
from policies.domain.library import TEMPLATES, VariantSpec
from policies.queries.comparison import compare_variants
from policies.queries.freshness import data_strip, fleet_strip
from policies.queries.installed import outdated_lists
from policies.queries.places import place_of
from policies.queries.specs import seen_spec, spec_of
from policies.queries.trends import trend_key
from policies.queries.variants import VariantPage, variant_page, variants_by_cluster
from policies.web.actors import actor_of, permit, permit_on_any, seen_by
from policies.web.htmx import respond, see_other
from policies.web.numbers import page_number
from policies.web.presenters.comparison import shown_comparison
from policies.web.presenters.variants import (
    CompiledText,
    asked,
    compiled,
    shown_objects,
    shown_wishes,
)


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List variants, cluster by cluster."""
    name = request.GET.get("cluster", "")
    reach = seen_by(request.user)
    page = page_number(request.GET.get("page", ""))
    found = variants_by_cluster(reach=reach, cluster_name=name, page=page)
    places = [Place(cluster) for cluster in found.clusters]
    context = {
        "found": found,
        "groups": found.groups,
        "chosen": name,
        "current_cluster": name,
        "fleet": partial(fleet_strip, reach=seen_by(request.user), now=timezone.now()),
        "may_create": permit_on_any(actor_of(request.user), Act.CREATE_VARIANT, places),
    }
    return respond(request, "variants/list.html", "variants/_groups.html", context)


@require_safe
@login_required
def compare(request: HttpRequest) -> HttpResponse:
    """Put the variants of one template beside each other, over all clusters."""
    name = request.GET.get("template", "")
    template = TEMPLATES.get(name) or next(iter(TEMPLATES.values()))
    page = page_number(request.GET.get("page", ""))
    context = {
        "template": template,
        "templates": tuple(TEMPLATES.values()),
        "comparison": shown_comparison(
            compare_variants(template.name, reach=seen_by(request.user)), page=page
        ),
    }
    return respond(request, "variants/compare.html", "variants/_comparison.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Show one variant: what it asks, what it compiles to, what the cluster shows, and its flips."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants().select_related("created_by"), pk=variant_id)
    actor = actor_of(request.user)
    here = place_of(variant.cluster)
    page = variant_page(variant, reach=reach)
    spec = spec_of(variant)
    seen = seen_spec(spec, cluster_id=variant.cluster_id, reach=reach)
    now = timezone.now()
    context = {
        "variant": variant,
        "page": page,
        "trend_policy": trend_key(variant),
        "outdated": outdated_lists(variant, now=now),
        "asked": asked(seen, variant.cluster.kubernetes_version, is_whole=page.is_whole),
        "wishes": shown_wishes(
            page, request.GET.get("revision", ""), request.GET.get("against", "")
        ),
        "objects": shown_objects(page.objects),
        "compiled": _compiled(spec, page),
        "strip": data_strip(variant.cluster, now=now),
        "current_cluster": variant.cluster.name,
        "may_plan": permit(actor, Act.REQUEST_FLIP, at=here),
        "may_edit": permit(actor, Act.CREATE_VARIANT, at=here),
    }
    return respond(request, "variants/detail.html", "variants/_objects.html", context)


def _compiled(spec: VariantSpec, page: VariantPage) -> tuple[CompiledText, ...]:
    """Compile what is wanted; not for somebody who may not see every namespace that it would name."""
    return compiled(spec, tuple(name for name, _ in page.enforced)) if page.is_whole else ()


@require_POST
@login_required
def refresh(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Bring the lists of installed profiles in line with the nodes, as a revision."""
    get_object_or_404(seen_by(request.user).variants(), pk=variant_id)
    variants.refresh_installed(variant_id=variant_id, by=actor_of(request.user), now=timezone.now())
    messages.success(request, "The list is as the nodes say. The cluster follows with an install.")
    return see_other("policies:variant", variant_id)


@require_POST
@login_required
def roll_back(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Roll back some namespaces at once."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    names = tuple(request.POST.getlist("namespace"))
    if len(reach.seen(variant.cluster_id, names)) != len(names):
        raise Http404
    flip = flips.roll_back(
        variant_id=variant_id,
        namespaces=names,
        reason=request.POST.get("reason", ""),
        by=actor_of(request.user),
        now=timezone.now(),
    )
    messages.success(request, "The rollback has begun.")
    return see_other("policies:flip", flip.pk)
