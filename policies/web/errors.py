"""The one map from known errors to what a person sees: a status, a title, a sentence and a way on.

Anything that is not on the map is a defect: it is logged by Django and ends as the plain page 500.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from redis.exceptions import RedisError

from policies.actions.errors import Refused
from policies.cluster.errors import ClusterError, EngineDown
from policies.domain.authority import NotAllowed, SecondFactorNeeded
from policies.domain.lifecycle import WrongState
from policies.web.htmx import is_htmx
from policies.web.sign_in.second_factor import lead_to_step_up


@dataclass(frozen=True, slots=True)
class Trouble:
    """A known error as a person sees it."""

    status: int
    title: str
    sentence: str
    details: tuple[str, ...] = ()


UNREADABLE = Trouble(
    400,
    "This cannot be read",
    "What was sent is no form that a browser sends, or too many fields at once. Nothing was kept.",
)
GONE = Trouble(404, "Not there", "What you asked for is not there any more.")
EXPIRED = Trouble(
    403,
    "The form has expired",
    "Nothing was done. Load the page again, and send it once more.",
)


def trouble_of(error: Exception) -> Trouble | None:
    """Name the status and the words of a known error; None for any other.

    Raises SecondFactorNeeded again: it is no trouble to show, but a way to go, and the middleware leads there.
    """
    if isinstance(error, SecondFactorNeeded):
        raise error
    if isinstance(error, RedisError):
        return Trouble(
            503,
            "Signing in is not possible now",
            "The cache that counts attempts does not answer. Try again in a minute; an admin should look at Redis.",
        )
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
        return GONE
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
        if isinstance(error, SecondFactorNeeded):
            return lead_to_step_up(request, error)
        trouble = _fragment_trouble(error) if is_htmx(request) else trouble_of(error)
        return None if trouble is None else respond_trouble(request, trouble)


def respond_trouble(request: HttpRequest, trouble: Trouble) -> HttpResponse:
    """Answer with the page of a known error, or with a note that leaves HTMX's page as it was."""
    if not is_htmx(request):
        return render_trouble(request, trouble)
    response = render(
        request, "policies/errors/_note.html", {"trouble": trouble}, status=trouble.status
    )
    response.headers["HX-Retarget"] = "#messages"
    response.headers["HX-Reswap"] = "innerHTML"
    patch_vary_headers(response, ("HX-Request",))
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what cannot be read at all (Django's handler400): say what to do, and repeat nothing of it."""
    if isinstance(exception, RequestDataTooBig):
        sentence = "The form is larger than what is read at once. Nothing was kept: send less."
        return respond_trouble(request, Trouble(413, "This is too large", sentence))
    if isinstance(exception, DisallowedHost):
        sentence = (
            "secprof is not asked for under this host name; use the address that you were given."
        )
        return HttpResponseBadRequest(sentence, content_type="text/plain; charset=utf-8")
    return respond_trouble(request, UNREADABLE)


# Django's own views of these three read the form for its token, and fail once more where the form is torn.


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer with page 403 (Django's handler403)."""
    return render(request, "403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer with page 404 (Django's handler404), or with a note for HTMX."""
    if is_htmx(request):
        return respond_trouble(request, GONE)
    return render(request, "404.html", status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """Answer with page 500 (Django's handler500), without asking database or session: they may be what broke."""
    return HttpResponse(render_to_string("500.html"), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without its token: the page 403, or a note for HTMX."""
    if is_htmx(request):
        return respond_trouble(request, EXPIRED)
    return render(request, "403_csrf.html", status=403)


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
