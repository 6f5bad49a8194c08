"""Pages that end a sign-in: what went wrong, in a sentence, and the way on."""

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.ratelimit import respond_429
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def refusal(request: HttpRequest, title: str, sentence: str, *, status: int = 403) -> HttpResponse:
    """Render why somebody did not get in."""
    context = {"title": title, "sentence": sentence, "status": status}
    return render(request, "policies/session/refused.html", context, status=status)


def refused(
    request: HttpRequest, title: str, sentence: str, *, status: int = 403
) -> ImmediateHttpResponse:
    """Make the exception with which allauth's flows end in this page."""
    return ImmediateHttpResponse(refusal(request, title, sentence, status=status))


def throttled(request: HttpRequest) -> ImmediateHttpResponse:
    """Make the exception that ends in page 429."""
    return ImmediateHttpResponse(respond_429(request))
