"""Grants: who has which role where, giving one, and taking one back. For those who may give roles."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from policies.actions import grants
from policies.actions.errors import Refused
from policies.domain.authority import Act, require
from policies.queries.grants import holders, known_groups, known_people, reached_by
from policies.web.actors import actor_of, seen_by
from policies.web.grant_forms import HOLDERS, PARTS, GrantForm
from policies.web.htmx import is_htmx, respond, see_other
from policies.web.numbers import page_number
from policies.web.presenters.grants import ROLE_TITLES, shown_holder, shown_reached


@require_safe
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List grants by person and by group, with the form to give one."""
    require(actor_of(request.user), Act.GRANT_ROLES)
    return _page(request, GrantForm())


@require_safe
@login_required
def preview(request: HttpRequest) -> HttpResponse:
    """Say what the scope that is being typed reaches now, beside the form or alone for HTMX."""
    require(actor_of(request.user), Act.GRANT_ROLES)
    form = GrantForm(request.GET)
    form.is_valid()
    return _page(request, form, is_preview=True)


@require_POST
@login_required
def give(request: HttpRequest) -> HttpResponse:
    """Give a role."""
    actor = actor_of(request.user)
    require(actor, Act.GRANT_ROLES)
    form = GrantForm(request.POST)
    scope = form.scope_chosen() if form.is_valid() else None
    if scope is not None:
        to, role = form.holder_chosen(), form.cleaned_data["role"]
        try:
            grants.give(to=to, role=role, scope=scope, by=actor, now=timezone.now())
        except Refused as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{to} has the role {role} on {scope}.")
            return see_other("policies:grants")
    return _page(request, form, status=422)


@require_POST
@login_required
def withdraw(request: HttpRequest, grant_id: int) -> HttpResponse:
    """Take a role back."""
    grants.withdraw(grant_id=grant_id, by=actor_of(request.user), now=timezone.now())
    messages.success(request, "Withdrawn. It counts from the next request on.")
    return see_other("policies:grants")


def _page(
    request: HttpRequest, form: GrantForm, *, is_preview: bool = False, status: int = 200
) -> HttpResponse:
    scope = form.scope_chosen() if form.is_bound else None
    context: dict[str, Any] = {
        "form": form,
        "is_preview": is_preview,
        "reached": shown_reached(reached_by(scope)) if scope is not None else None,
    }
    if not (is_preview and is_htmx(request)):
        found = holders(page_number(request.GET.get("page", "")))
        context |= {
            "holders": found,
            "people": [shown_holder(card) for card in found.cards if not card.is_group],
            "groups": [shown_holder(card) for card in found.cards if card.is_group],
            "known_people": known_people(),
            "known_groups": known_groups(),
            "clusters": tuple(seen_by(request.user).clusters().values_list("name", flat=True)),
            "roles": tuple(ROLE_TITLES.items()),
            "holder_choices": HOLDERS,
            "part_choices": PARTS,
        }
    fragment = "grants/_reached.html" if is_preview else "grants/page.html"
    return respond(request, "grants/page.html", fragment, context, status=status)
