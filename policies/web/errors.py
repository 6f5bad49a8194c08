"""The one map from known errors to what a person sees: a status, a title, a sentence and a way on.

Anything that is not on the map is a defect: it is logged by Django and ends as the plain page 500.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError, EngineDown
from policies.domain.authority import NotAllowed
from policies.domain.lifecycle import WrongState
from policies.web.htmx import is_htmx


@dataclass(frozen=True, slots=True)
class Trouble:
    """A known error as a person sees it."""

    status: int
    title: str
    sentence: str
    details: tuple[str, ...] = ()


def trouble_of(error: Exception) -> Trouble | None:
    """Name the status and the words of a known error; None for any other."""
    if isinstance(error, NotAllowed):
        return Trouble(403, "You may not do this", str(error))
    if isinstance(error, WrongState):
        return Trouble(409, "It has moved on", str(error))
    if isinstance(error, Refused):
        return Trouble(409, "This cannot be done now", error.message, error.details)
    if isinstance(error, EngineDown):
        # The title has said it.
        said = error.message.removeprefix("Engine down: ")
        return Trouble(502, "Engine down", said[:1].upper() + said[1:])
    if isinstance(error, ClusterError):
        return Trouble(502, "The cluster did not answer as it should", error.message)
    return None


def _fragment_trouble(error: Exception) -> Trouble | None:
    if isinstance(error, Http404):
        return Trouble(404, "Not there", "What you asked for is not there any more.")
    if isinstance(error, PermissionDenied):
        return Trouble(403, "You may not do this", "Your roles do not allow this.")
    return trouble_of(error)


class KnownErrors:
    """Middleware: turn known errors into their page, or into a note that leaves the page as it was."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # A fragment must not become the sign-in page when the session has ended.
        if is_htmx(request) and response.status_code == 302:
            sign_in = resolve_url("policies:login")
            if response.headers["Location"].startswith(sign_in):
                return HttpResponseClientRedirect(sign_in)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        trouble = _fragment_trouble(error) if is_htmx(request) else trouble_of(error)
        if trouble is None:
            return None
        return note(request, trouble) if is_htmx(request) else render_trouble(request, trouble)


def note(request: HttpRequest, trouble: Trouble) -> HttpResponse:
    """Render a known error as a note for HTMX, which leaves the page as it was."""
    response = render(
        request, "policies/errors/_note.html", {"trouble": trouble}, status=trouble.status
    )
    response.headers["HX-Retarget"] = "#messages"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def render_trouble(request: HttpRequest, trouble: Trouble) -> HttpResponse:
    """Render the page of a known error."""
    context = {"trouble": trouble, "came_from": _own_referrer(request)}
    response = render(request, "policies/errors/trouble.html", context, status=trouble.status)
    patch_vary_headers(response, ("HX-Request",))
    return response


def _own_referrer(request: HttpRequest) -> str:
    referrer = request.headers.get("Referer", "")
    own = f"{request.scheme}://{request.get_host()}/"
    return "/" + referrer.removeprefix(own) if referrer.startswith(own) else ""
