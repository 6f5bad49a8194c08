"""The form of a variant: a new one, or other parameters for one that there is, with a preview of what it compiles to.

A preview is a POST that stores nothing: what is typed may be longer than an address.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from policies.actions import variants
from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError
from policies.domain.authority import Act, NotAllowed
from policies.domain.controls import Mechanism
from policies.domain.library import TEMPLATES, VariantSpec
from policies.models import Cluster, Variant
from policies.queries.installed import with_installed
from policies.queries.places import place_of
from policies.queries.reach import Reach
from policies.queries.specs import spec_of
from policies.queries.targets import target_facts
from policies.queries.variants import variant_page
from policies.web.actors import actor_of, permit_on_any, seen_by
from policies.web.htmx import respond, see_other
from policies.web.presenters.variant_form import (
    EXAMPLE_NAMES,
    TARGET_CHOICES,
    TEMPLATE_CHOICES,
    Preview,
    control_options,
    field_errors,
    previewed,
    profile_groups,
    target_answer,
)
from policies.web.variant_forms import VariantEditForm, VariantForm, prefilled, typed_parameters

PREVIEW = "preview"
UNFIT = "Mend the marked fields to see what it compiles to."


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show the form with its preview, or create a variant."""
    clusters = tuple(seen_by(request.user).clusters())
    first = next(iter(clusters), None)
    opened = prefilled(request.GET, usual_cluster_id=first.pk if first else None)
    form = VariantForm(request.POST if request.method == "POST" else opened)
    if _is_preview(request):
        form.forgive_missing()
    elif form.is_valid():
        values = form.cleaned_data
        try:
            variant = variants.create_variant(
                cluster_id=_chosen(values["cluster"], clusters).pk,
                name=values["name"],
                template=values["template"],
                parameters=values["parameters"],
                target=values["target"] or None,
                by=actor_of(request.user),
                now=timezone.now(),
            )
        except (Refused, ClusterError) as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{variant.name} was created. Install it to get reports.")
            return see_other("policies:variant", variant.pk)
    return _respond(
        request,
        form,
        {
            "clusters": clusters,
            "kubernetes": _version_of(form, clusters),
            "preview": _preview_of_new(form, clusters),
            "places": [place_of(cluster) for cluster in clusters],
            "template_choices": TEMPLATE_CHOICES,
            "target_choices": TARGET_CHOICES,
            "mechanisms": tuple(Mechanism),
        },
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: HttpRequest, variant_id: int) -> HttpResponse:
    """Show the form with what would change, or keep other parameters; nothing is installed by that."""
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=variant_id)
    if not reach.sees_all_of(variant.cluster_id):
        raise NotAllowed(
            f"Parameters name any namespace: to edit them takes a role on all of {variant.cluster.name}."
        )
    wanted = spec_of(variant).parameters
    typed = {**typed_parameters(wanted), "based_on": variant.revision_number}
    installed = {mechanism: wanted.of(mechanism).installed for mechanism in Mechanism}
    form = VariantEditForm(
        request.POST if request.method == "POST" else typed,
        template=variant.template,
        installed=installed,
    )
    if _is_preview(request):
        form.forgive_missing()
    elif form.is_valid():
        values = form.cleaned_data
        try:
            variants.edit_variant(
                variant_id=variant.pk,
                parameters=values["parameters"],
                note=values["note"],
                based_on=values["based_on"],
                by=actor_of(request.user),
                now=timezone.now(),
            )
        except Refused as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Kept. The cluster follows with the next install.")
            return see_other("policies:variant", variant.pk)
    return _respond(
        request,
        form,
        {
            "variant": variant,
            "kubernetes": variant.cluster.kubernetes_version,
            "current_cluster": variant.cluster.name,
            "preview": _preview_of_edit(form, variant, reach),
            "places": [place_of(variant.cluster)],
            "mechanisms": TEMPLATES[variant.template].mechanisms,
            "installed": installed,
        },
    )


def _version_of(form: VariantForm, clusters: Iterable[Cluster]) -> str:
    """Give the version of Kubernetes on the chosen cluster, or on the first."""
    typed = form["cluster"].value()
    known = {str(cluster.pk): cluster.kubernetes_version for cluster in clusters}
    return known.get(str(typed)) or next(iter(known.values()), "")


def _chosen(cluster_id: int, clusters: Iterable[Cluster]) -> Cluster:
    found = next((cluster for cluster in clusters if cluster.pk == cluster_id), None)
    if found is None:
        raise Http404
    return found


def _preview_of_new(form: VariantForm, clusters: Iterable[Cluster]) -> Preview:
    values = form.cleaned_data
    parameters = values.get("parameters")
    if parameters is None:
        return Preview(trouble=UNFIT)
    cluster = next((c for c in clusters if c.pk == values.get("cluster")), None)
    template = values["template"]
    if cluster is not None:
        parameters = with_installed(cluster, template, parameters, now=timezone.now())
    answer = target_answer(
        target_facts(cluster) if cluster else None,
        values.get("target", ""),
        TEMPLATES[template].mechanisms,
    )
    return previewed(
        lambda: VariantSpec(
            name=values.get("name") or EXAMPLE_NAMES.get(template, template),
            template=template,
            target=answer.target,
            api_version=answer.api_version,
            parameters=parameters,
        ),
        answer=answer,
    )


def _preview_of_edit(form: VariantEditForm, variant: Variant, reach: Reach) -> Preview:
    parameters = form.cleaned_data.get("parameters")
    if parameters is None:
        return Preview(trouble=UNFIT)
    page = variant_page(variant, reach=reach)
    wanted = spec_of(variant)
    return previewed(
        lambda: replace(wanted, parameters=parameters),
        enforced=tuple(name for name, _ in page.enforced),
        installed=page.objects,
    )


def _is_preview(request: HttpRequest) -> bool:
    """Say whether nothing is to be kept: a form that is opened is previewed, too."""
    return request.method != "POST" or request.POST.get("intent") == PREVIEW


def _respond(
    request: HttpRequest, form: VariantForm | VariantEditForm, context: dict[str, Any]
) -> HttpResponse:
    mechanisms = context["mechanisms"]
    context |= {
        "form": form,
        "errors": field_errors(form),
        "control_options": control_options(mechanisms, context["kubernetes"]),
        "profile_groups": profile_groups(form, mechanisms, context.get("installed", {})),
        "may_create": permit_on_any(
            actor_of(request.user), Act.CREATE_VARIANT, context.pop("places")
        ),
    }
    status = 200 if _is_preview(request) else 422
    return respond(request, "variants/form.html", "variants/_preview.html", context, status=status)
