"""The form of an exception: a new one, or an edit, with what it would cover.

A preview is a POST that stores nothing: what is typed may be longer than an address.
"""

from dataclasses import dataclass, replace
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

from policies.actions import exceptions
from policies.domain.authority import Act
from policies.domain.exemptions import ExceptionWish, WorkloadName
from policies.domain.library import VariantSpec
from policies.domain.objects import WorkloadKind
from policies.models import ExceptionRequest, ObservedException, ObservedNamespace, Variant
from policies.queries.exception_covers import (
    NEW,
    cover_of,
    draft_exemption,
    exempts_from_the_whole,
)
from policies.queries.exception_pages import Askable, askable
from policies.queries.exceptions import seen, workloads_of
from policies.queries.foreign_exceptions import adopted_name, foreign
from policies.queries.freshness import data_strip
from policies.queries.specs import current_revisions, spec_of, written_spec
from policies.web.actors import actor_of, permit, seen_by
from policies.web.errors import Trouble, trouble_of
from policies.web.exception_forms import (
    WishForm,
    end_of,
    last_day,
    read_workload,
    typed_workload,
)
from policies.web.htmx import respond, see_other
from policies.web.presenters.controls import shown_controls
from policies.web.presenters.exception_covers import NOTHING_NAMED, ShownCover, shown_cover
from policies.web.presenters.exception_form import checklist, ends_help, form_errors
from policies.web.presenters.exception_page import day_of
from policies.web.views.exceptions import KNOWN
from policies.web.words import day

DRAFT, REQUEST = "draft", "request"
SAID = {
    DRAFT: "Kept as a draft. Nobody decides on it before you request it.",
    REQUEST: "Requested. Somebody else has to approve it.",
}
USUAL = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a form is about."""

    variant: Variant
    space: ObservedNamespace
    found: Askable
    exception: ExceptionRequest | None = None
    adopted: ObservedException | None = None
    """Whose place it takes."""


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Show the form, save a draft, or ask."""
    variant_id, namespace = _asked(request, "variant"), _asked(request, "namespace")
    if not variant_id or not namespace:
        return _choose(request, variant_id)
    ground = replace(_ground(request, variant_id, namespace), adopted=_adopted(request))
    return _page(request, ground, _prefilled(request.GET, ground, timezone.now()))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit(request: HttpRequest, exception_id: UUID) -> HttpResponse:
    """Show the form of a draft or a request, and keep what is typed; a request has to be decided on again."""
    rows = seen(reach=seen_by(request.user), user_id=actor_of(request.user).user_id)
    row = get_object_or_404(rows.select_related("variant__cluster"), pk=exception_id)
    ground = _ground(request, str(row.variant_id), row.namespace)
    return _page(request, replace(ground, exception=row), _stored(row))


def _page(request: HttpRequest, ground: Ground, opened: dict[str, Any]) -> HttpResponse:
    now = timezone.now()
    typed = request.POST if request.method == "POST" else opened
    form = WishForm(typed, controls=ground.variant.controls, last=last_day(now, _most()))
    intent = _intent(request)
    if intent != REQUEST:
        form.forgive_missing()
    if not intent or form.errors:
        return _respond(request, ground, form, now)
    try:
        kept = _keep(request, ground, form, now)
    except KNOWN as error:
        return _respond(request, ground, form, now, trouble=trouble_of(error))
    messages.success(request, SAID[intent])
    return see_other("policies:exception", kept.pk)


def _keep(request: HttpRequest, ground: Ground, form: WishForm, now: datetime) -> ExceptionRequest:
    """Keep what was typed as a draft, as a request, or as an edit of one."""
    wish, by, old = _wish(ground, form), actor_of(request.user), ground.exception
    if request.POST["intent"] == DRAFT:
        return exceptions.save_draft(
            wish=wish, exception_id=old.pk if old else None, by=by, now=now
        )
    if old is None or old.status == ExceptionRequest.Status.DRAFT:
        return exceptions.request(
            wish=wish,
            exception_id=old.pk if old else None,
            adopted_from=adopted_name(ground.adopted) if ground.adopted else "",
            by=by,
            now=now,
        )
    revision = form.cleaned_data["revision"] or 0
    return exceptions.edit(exception_id=old.pk, revision=revision, wish=wish, by=by, now=now)


def _wish(ground: Ground, form: WishForm) -> ExceptionWish:
    values = form.cleaned_data
    whole = ground.variant.controls
    is_whole = exempts_from_the_whole(spec_of(ground.variant))
    return ExceptionWish(
        variant_id=ground.variant.pk,
        namespace=ground.space.name,
        workloads=values["named"],
        controls=tuple(whole if is_whole else values["controls"]),
        reason=values.get("reason", ""),
        compensating_control=values["compensating_control"],
        ticket=values["ticket"],
        ends_at=values.get("ends_at"),
    )


def _intent(request: HttpRequest) -> str:
    """Say what is to be kept: nothing when a form is opened or previewed."""
    intent = request.POST.get("intent", "")
    return intent if intent in SAID else ""


def _asked(request: HttpRequest, name: str) -> str:
    return request.POST.get(name) or request.GET.get(name, "")


def _choose(request: HttpRequest, variant_id: str) -> HttpResponse:
    """Ask for what an address does not say: the policy, then the namespace."""
    reach = seen_by(request.user)
    variants = reach.variants().order_by("name", "cluster__name")
    chosen = get_object_or_404(variants, pk=_number(variant_id)) if variant_id else None
    spaces = reach.namespaces().filter(cluster=chosen.cluster_id if chosen else 0, is_system=False)
    context = {
        "variants": variants,
        "chosen": chosen,
        "namespaces": spaces.order_by("name").values_list("name", flat=True),
    }
    return respond(request, "exceptions/choose.html", "exceptions/choose.html", context)


def _ground(request: HttpRequest, variant_id: str, namespace: str) -> Ground:
    reach = seen_by(request.user)
    variant = get_object_or_404(reach.variants(), pk=_number(variant_id))
    spaces = reach.namespaces().filter(cluster_id=variant.cluster_id)
    space = get_object_or_404(spaces, name=namespace)
    return Ground(variant, space, askable(variant, space))


def _adopted(request: HttpRequest) -> ObservedException | None:
    asked = _asked(request, "adopt")
    rows = foreign(seen_by(request.user))
    return get_object_or_404(rows, pk=_number(asked)) if asked else None


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
    return {
        "controls": controls or list(ground.variant.controls),
        "workloads": [typed_workload(name) for name in ticked],
        "more_kind": WorkloadKind.DEPLOYMENT.value,
        "ends_at": min((now + USUAL).date(), last_day(now, _most())).isoformat(),
    }


def _named(text: str) -> WorkloadName | None:
    try:
        return read_workload(text)
    except ValueError:
        return None


def _most() -> timedelta:
    return timedelta(days=settings.SECPROF_EXCEPTION_MAX_DAYS)


def _stored(row: ExceptionRequest) -> dict[str, Any]:
    """Give an exception as it would be typed into the form."""
    return {
        "controls": row.controls,
        "workloads": [typed_workload(name) for name in workloads_of(row.workloads)],
        "more_kind": WorkloadKind.DEPLOYMENT.value,
        "reason": row.reason,
        "compensating_control": row.compensating_control,
        "ticket": row.ticket,
        "ends_at": day_of(row.ends_at),
        "revision": row.revision,
    }


def _respond(
    request: HttpRequest,
    ground: Ground,
    form: WishForm,
    now: datetime,
    *,
    trouble: Trouble | None = None,
) -> HttpResponse:
    variant, old = ground.variant, ground.exception
    written = written_spec(variant, current_revisions([variant]).get(variant.pk))
    context = {
        "form": form,
        "errors": form_errors(form),
        "variant": variant,
        "space": ground.space,
        "found": ground.found,
        "exception": old,
        "adopted": ground.adopted,
        "listed": checklist(ground.found, form.cleaned_data.get("workloads") or ()),
        "control_options": shown_controls(variant.controls, variant.cluster.kubernetes_version),
        "ticked_controls": form["controls"].value() or (),
        "is_whole": exempts_from_the_whole(written),
        "cover": _cover(written, ground, form, now),
        "ends_help": ends_help(USUAL, _most(), day(end_of(last_day(now, _most())))),
        "trouble": trouble,
        "voids": old is not None and old.decided_by_id is not None,
        "here": request.get_full_path(),
        "can_draft": old is None or old.status == ExceptionRequest.Status.DRAFT,
        "may_request": permit(actor_of(request.user), Act.REQUEST_EXCEPTION, at=ground.found.place),
        "strip": data_strip(variant.cluster, now=now),
        "current_cluster": variant.cluster.name,
    }
    refused = trouble.status if trouble else 422
    return respond(
        request,
        "exceptions/form.html",
        "exceptions/_preview.html",
        context,
        status=refused if _intent(request) else 200,
    )


def _cover(spec: VariantSpec, ground: Ground, form: WishForm, now: datetime) -> ShownCover:
    """Say what that which was typed so far would cover."""
    values = form.cleaned_data
    named = values.get("named") or values.get("workloads")
    if not named:
        return NOTHING_NAMED
    wish = draft_exemption(
        ground.space.name,
        named,
        values.get("controls") or spec.controls,
        values.get("ends_at") or now + USUAL,
        key=ground.exception.key if ground.exception else NEW,
    )
    return shown_cover(cover_of(ground.variant.cluster, spec, ground.found, wish))
