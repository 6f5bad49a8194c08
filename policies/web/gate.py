"""The gate in front of every page: somebody who is signed in and has no role sees who can give one, and nothing else.

A view that is for everybody says so with `open_to_all`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from policies.queries.grants import admin_names
from policies.web.actors import actor_of
from policies.web.errors import Trouble, note
from policies.web.htmx import is_htmx

_OPEN = "_secprof_is_open_to_all"
NO_ROLE = "You have no role yet, so there is nothing that you may see."
View = TypeVar("View", bound=Callable[..., Any])


def open_to_all(view: View) -> View:
    """Let people without a role use a view; whether it takes a sign-in is its own affair."""
    setattr(view, _OPEN, True)
    return view


class NeedsGrant:
    """Middleware: refuse the product's pages to people without a role. Pages of other apps are theirs to guard."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], _args: Any, _kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        is_ours = match is not None and "policies" in match.app_names
        if not is_ours or getattr(view, _OPEN, False) or not request.user.is_authenticated:
            return None
        if actor_of(request.user).grants:
            return None
        if is_htmx(request):
            return note(request, Trouble(403, "No role yet", NO_ROLE))
        response = render(
            request,
            "policies/rights/none.html",
            {"sentence": NO_ROLE, "admins": admin_names()},
            status=403,
        )
        patch_vary_headers(response, ("HX-Request",))
        return response
