"""Variants: the list, one with its objects and revisions, those of one template beside each other, and rolling back."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import flips, variants
from policies.domain.authority import Act
from policies.domain.library import TEMPLATES
from policies.models import Variant
from policies.queries.comparison import compare_variants
from policies.queries.freshness import data_strip
from policies.queries.installed import outdated_lists
from policies.queries.specs import spec_of
from policies.queries.variants import variant_page, variants_by_cluster
from policies.web.actors import actor_of, permit
from policies.web.htmx import respond, see_other
from policies.web.presenters.comparison import shown_comparison
from policies.web.presenters.variants import asked, compiled, shown_objects, shown_wishes


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List variants, cluster by cluster."""
    name = request.GET.get("cluster", "")
    context = {
        "groups": variants_by_cluster(cluster_name=name),
        "chosen": name,
        "current_cluster": name,
        "may_create": permit(actor_of(request.user), Act.CREATE_VARIANT),
    }
    return respond(request, "variants/list.html", "variants/_groups.html", context)


@require_safe
@login_required
def compare(request: HttpRequest) -> HttpResponse:
    """Put the variants of one template beside each other, over all clusters."""
    name = request.GET.get("template", "")
    template = TEMPLATES.get(name) or next(iter(TEMPLATES.values()))
    context = {
        "template": template,
        "templates": tuple(TEMPLATES.values()),
        "comparison": shown_comparison(compare_variants(template.name)),
    }
    return respond(request, "variants/compare.html", "variants/_comparison.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Show one variant: what it asks, what it compiles to, what the cluster shows, and its flips."""
    variant = get_object_or_404(
        Variant.objects.select_related("cluster", "created_by"), pk=variant_id
    )
    actor = actor_of(request.user)
    page = variant_page(variant)
    spec = spec_of(variant)
    now = timezone.now()
    context = {
        "variant": variant,
        "page": page,
        "outdated": outdated_lists(variant, now=now),
        "asked": asked(spec, variant.cluster.kubernetes_version),
        "wishes": shown_wishes(
            page, request.GET.get("revision", ""), request.GET.get("against", "")
        ),
        "objects": shown_objects(page.objects),
        "compiled": compiled(spec, tuple(name for name, _ in page.enforced)),
        "strip": data_strip(variant.cluster, now=now),
        "current_cluster": variant.cluster.name,
        "may_plan": permit(actor, Act.REQUEST_FLIP),
        "may_edit": permit(actor, Act.CREATE_VARIANT),
    }
    return respond(request, "variants/detail.html", "variants/_objects.html", context)


@require_POST
@login_required
def refresh(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Bring the lists of installed profiles in line with the nodes, as a revision."""
    get_object_or_404(Variant, pk=variant_id)
    variants.refresh_installed(variant_id=variant_id, by=actor_of(request.user), now=timezone.now())
    messages.success(request, "The list is as the nodes say. The cluster follows with an install.")
    return see_other("policies:variant", variant_id)


@require_POST
@login_required
def roll_back(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Roll back some namespaces at once."""
    get_object_or_404(Variant, pk=variant_id)
    flip = flips.roll_back(
        variant_id=variant_id,
        namespaces=tuple(request.POST.getlist("namespace")),
        reason=request.POST.get("reason", ""),
        by=actor_of(request.user),
        now=timezone.now(),
    )
    messages.success(request, "The rollback has begun.")
    return see_other("policies:flip", flip.pk)
