"""Variants: the list, a new one with a preview of what it compiles to, one with its objects, and rolling back."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from policies.actions import flips, variants
from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError
from policies.domain.authority import Act
from policies.domain.controls import in_order
from policies.domain.parameters import Parameters
from policies.models import Cluster, Variant
from policies.queries.freshness import data_strip
from policies.queries.specs import spec_of
from policies.queries.variants import variant_page, variants_by_cluster
from policies.web.actors import actor_of, permit
from policies.web.forms import VariantForm
from policies.web.htmx import respond, see_other
from policies.web.presenters.variants import (
    CONTROL_CHOICES,
    TARGET_CHOICES,
    compiled,
    previewed,
    shown_objects,
)


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


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show the form with its preview, or create a variant."""
    actor = actor_of(request.user)
    form = VariantForm(request.POST or None)
    if form.is_valid():
        values = form.cleaned_data
        try:
            variant = variants.create_variant(
                cluster_id=get_object_or_404(Cluster, pk=values["cluster"]).pk,
                name=values["name"],
                template="seccomp",
                parameters=Parameters(controls=in_order(values["controls"].split(","))),
                target=values["target"],
                by=actor,
                now=timezone.now(),
            )
        except (Refused, ClusterError) as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, f"{variant.name} was created. Install it to get reports.")
            return see_other("policies:variant", variant.pk)
    context = _form_context(request, form)
    status = 422 if form.is_bound else 200
    return respond(request, "variants/new.html", "variants/_preview.html", context, status=status)


def _form_context(request: HttpRequest, form: VariantForm) -> dict[str, Any]:
    typed = request.POST or request.GET
    return {
        "form": form,
        "typed": typed,
        "clusters": Cluster.objects.order_by("name").values_list("pk", "name"),
        "control_choices": CONTROL_CHOICES,
        "target_choices": TARGET_CHOICES,
        "preview": previewed(
            typed.get("name", ""), typed.get("controls", ""), typed.get("target", "")
        ),
        "may_create": permit(actor_of(request.user), Act.CREATE_VARIANT),
    }


@require_safe
@login_required
def detail(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Show one variant: what it compiles to, what the cluster shows, and its flips."""
    variant = get_object_or_404(
        Variant.objects.select_related("cluster", "created_by"), pk=variant_id
    )
    actor = actor_of(request.user)
    page = variant_page(variant)
    context = {
        "variant": variant,
        "page": page,
        "objects": shown_objects(page.objects),
        "compiled": compiled(spec_of(variant), tuple(name for name, _ in page.enforced)),
        "strip": data_strip(variant.cluster, now=timezone.now()),
        "current_cluster": variant.cluster.name,
        "may_plan": permit(actor, Act.REQUEST_FLIP),
    }
    return respond(request, "variants/detail.html", "variants/_objects.html", context)


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
