"""The theme, and the answer for probes."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from policies.web.frame import THEME_COOKIE, THEMES
from policies.web.gate import open_to_all
from policies.web.htmx import SeeOther

YEAR_SECONDS = 365 * 86400


@require_safe
@open_to_all
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that the process serves requests."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_POST
@open_to_all
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie, and go back."""
    chosen = request.POST.get("theme", "")
    to = request.POST.get("next", "/")
    is_ours = to.startswith("/") and url_has_allowed_host_and_scheme(to, allowed_hosts=None)
    # Not by `see_other`, which would take a word for the name of a page.
    response = SeeOther(to if is_ours else "/")
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
        )
    return response
