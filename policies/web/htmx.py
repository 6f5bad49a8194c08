"""Answers a request with a whole page or with one named fragment of it; the server chooses, never the client."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers


class SeeOther(HttpResponseRedirect):
    """303: the answer to a POST stands at another address."""

    status_code = 303


def is_htmx(request: HttpRequest) -> bool:
    """Say whether HTMX asks for a fragment (and not to restore a page from history)."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.history_restore_request


def respond(
    request: HttpRequest, page: str, fragment: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render the fragment for HTMX and the page for everybody else."""
    template = fragment if is_htmx(request) else page
    response = render(
        request, f"policies/{template}", {**context, "is_fragment": is_htmx(request)}, status=status
    )
    patch_vary_headers(response, ("HX-Request",))
    return response


def see_other(to: Any, *args: Any, **kwargs: Any) -> SeeOther:
    """Send the browser on after a POST that has done its work."""
    return SeeOther(resolve_url(to, *args, **kwargs))
