"""One's own account, where allauth has no page for it: leaving, stepping up, and one's sessions."""

from allauth.account.internal.flows.logout import logout as end
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from policies.actions import sessions
from policies.queries.sessions import open_sessions
from policies.web.gate import open_to_all
from policies.web.htmx import see_other
from policies.web.sign_in.accounts import comes_by_provider, person_of
from policies.web.words import count_of


@open_to_all
@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """End this session."""
    end(request, show_message=False)
    return see_other(settings.LOGOUT_REDIRECT_URL)


@open_to_all
@require_safe
@login_required
@never_cache
def step_up(request: HttpRequest) -> HttpResponse:
    """Lead to where somebody gives their second factor, or to setting one up, and afterwards back."""
    user = person_of(request)
    back = get_next_redirect_url(request) or _came_from(request)
    if is_mfa_enabled(user, ["totp", "webauthn"]):
        return see_other(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': back})}")
    context = {
        "next": back,
        "provider": settings.SECPROF_OIDC if comes_by_provider(user) else None,
    }
    return render(request, "policies/account/step_up.html", context)


def _came_from(request: HttpRequest) -> str:
    referrer = request.headers.get("Referer", "")
    own = f"{request.scheme}://{request.get_host()}/"
    return "/" + referrer.removeprefix(own) if referrer.startswith(own) else "/"


@open_to_all
@require_safe
@login_required
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """List one's own sessions."""
    found = open_sessions(
        user_id=person_of(request).pk,
        this_key=request.session.session_key or "",
        now=timezone.now(),
    )
    return render(request, "policies/account/sessions.html", {"found": found})


@open_to_all
@require_POST
@login_required
def end_one(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of one's own sessions."""
    sessions.end_session(user=person_of(request), session_id=session_id, now=timezone.now())
    messages.success(request, "That session has ended.")
    return see_other("policies:sessions")


@open_to_all
@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    count = sessions.end_other_sessions(
        user=person_of(request),
        kept_key=request.session.session_key or "",
        now=timezone.now(),
    )
    messages.success(request, f"{count_of(count, 'other session')} ended.")
    return see_other("policies:sessions")
