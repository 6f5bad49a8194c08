"""The form of an exception: a new one, one to adopt, or an edit, with what it would cover.

A preview is a POST that stores nothing: what is typed may be longer than an address.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from policies.domain.authority import Act
from policies.domain.exemptions import WorkloadName
from policies.domain.library import Target
from policies.models import ExceptionRequest, ObservedNamespace, Variant
from policies.queries.exception_pages import Askable, askable
from policies.queries.exceptions import workloads_of
from policies.queries.freshness import data_strip
from policies.web.actors import actor_of, permit, seen_by
from policies.web.exception_forms import (
    WishForm,
    end_of,
    last_day,
    read_workload,
    typed_workload,
)
from policies.web.htmx import respond, see_other
from policies.web.presenters.controls import shown_controls
from policies.web.presenters.exception_form import checklist, ends_help, form_errors
from policies.web.words import day

PREVIEW, DRAFT, REQUEST = "preview", "draft", "request"
USUAL = timedelta(days=30)
SINGLE_RULES = frozenset({Target.CLUSTER_POLICY.value})
"""Kinds of policies that can exempt from one rule and keep the others."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a form is about."""

    variant: Variant
    space: ObservedNamespace
    found: Askable
    exception: ExceptionRequest | None = None


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show the form, save a draft, or ask."""
    variant_id, namespace = request.GET.get("variant", ""), request.GET.get("namespace", "")
    if not variant_id or not namespace:
        return _choose(request, variant_id)
    ground = _ground(request, variant_id, namespace)
    now = timezone.now()
    form = _form(request, ground, _prefilled(request.GET, ground, now), now)
    if _is_preview(request):
        form.forgive_missing()
    return _respond(request, ground, form, now)


def _choose(request: HttpRequest, variant_id: str) -> HttpResponse:
    """Ask for what an address does not say: the policy, then the namespace."""
    reach = seen_by(request.user)
    variants = reach.variants().order_by("name", "cluster__name")
    chosen = get_object_or_404(variants, pk=_number(variant_id)) if variant_id else None
    spaces = reach.namespaces().filter(cluster=chosen.cluster_id if chosen else 0)
    context = {
        "variants": variants,
        "chosen": chosen,
        "namespaces": spaces.filter(is_system=False)
        .order_by("name")
        .values_list("name", flat=True),
    }
    return respond(request, "exceptions/choose.html", "exceptions/choose.html", context)


def _ground(request: HttpRequest, variant_id: str, namespace: str) -> Ground:
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=_number(variant_id))
    spaces = reach.namespaces().filter(cluster_id=variant.cluster_id)
    space = get_object_or_404(spaces, name=namespace)
    return Ground(variant, space, askable(variant, space))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Http404
    return int(text)


def _prefilled(query: QueryDict, ground: Ground, now: datetime) -> dict[str, Any]:
    """Read what an address ticks: workloads, or all that fail; and rules."""
    controls = [c for c in query.getlist("control") if c in ground.variant.controls]
    ticked = [name for text in query.getlist("workload") if (name := _named(text))]
    if query.get("all"):
        ticked += [name for name, found in ground.found.workloads if found.would_fail]
    here = {name for name, _ in ground.found.workloads}
    elsewhere = next((name for name in ticked if name not in here), None)
    return {
        "controls": controls or list(ground.variant.controls),
        "workloads": [typed_workload(name) for name in ticked if name in here],
        "more_kind": elsewhere.kind.value if elsewhere else "Deployment",
        "more_name": elsewhere.name if elsewhere else "",
        "ends_at": min((now + USUAL).date(), last_day(now, _most())).isoformat(),
    }


def _named(text: str) -> WorkloadName | None:
    try:
        return read_workload(text)
    except ValueError:
        return None


def _most() -> timedelta:
    return timedelta(days=settings.SECPROF_EXCEPTION_MAX_DAYS)


def _form(request: HttpRequest, ground: Ground, opened: dict[str, Any], now: datetime) -> WishForm:
    typed = request.POST if request.method == "POST" else opened
    return WishForm(typed, controls=ground.variant.controls, last=last_day(now, _most()))


def _is_preview(request: HttpRequest) -> bool:
    """Say whether nothing is to be kept: a form that is opened is previewed, too."""
    return request.method != "POST" or request.POST.get("intent") not in {DRAFT, REQUEST}


def _respond(request: HttpRequest, ground: Ground, form: WishForm, now: datetime) -> HttpResponse:
    ticked = form.cleaned_data.get("workloads") or ()
    listed = checklist(ground.found, ticked)
    last = last_day(now, _most())
    context = {
        "form": form,
        "errors": form_errors(form),
        "variant": ground.variant,
        "space": ground.space,
        "found": ground.found,
        "exception": ground.exception,
        "failing": listed.failing,
        "passing": listed.passing,
        "passing_is_open": listed.opens_passing,
        "control_options": shown_controls(
            ground.variant.controls, ground.variant.cluster.kubernetes_version
        ),
        "ticked_controls": form["controls"].value() or (),
        "is_whole": ground.variant.target not in SINGLE_RULES,
        "ends_help": ends_help(USUAL, _most(), day(end_of(last))),
        "here": request.get_full_path(),
        "can_draft": ground.exception is None or ground.exception.status == "draft",
        "may_request": permit(actor_of(request.user), Act.REQUEST_EXCEPTION, at=ground.found.place),
        "strip": data_strip(ground.variant.cluster, now=now),
        "current_cluster": ground.variant.cluster.name,
    }
    status = 200 if _is_preview(request) else 422
    return respond(
        request, "exceptions/form.html", "exceptions/_preview.html", context, status=status
    )
