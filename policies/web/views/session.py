"""Signing in and out, the theme, and the answer for probes."""

from django.contrib.auth import views as auth
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from policies.web.forms import SignInForm
from policies.web.frame import THEME_COOKIE, THEMES
from policies.web.gate import open_to_all
from policies.web.htmx import see_other

YEAR_SECONDS = 365 * 86400

login = open_to_all(
    auth.LoginView.as_view(
        template_name="policies/session/login.html",
        authentication_form=SignInForm,
        redirect_authenticated_user=True,
    )
)
logout = open_to_all(auth.LogoutView.as_view())


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
    if not url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}):
        to = "/"
    response = see_other(to)
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
    return response
