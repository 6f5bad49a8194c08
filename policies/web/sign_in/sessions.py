"""How long a session lasts: so long at most, and less when nobody uses it. Also when it was last seen, for its owner."""

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from policies.actions.sign_in import note
from policies.domain.sign_in import SignInEvent
from policies.web.words import MINUTE

_BEGAN, _SEEN = "secprof_began", "secprof_seen"
NOTED_EVERY_SECONDS = MINUTE
"""A page that asks every few seconds should not write every few seconds."""


# The one signal that every way into a session sends, whoever opens it: a session without these marks has no limits.
@receiver(user_logged_in)
def begin(request: HttpRequest | None, **_: Any) -> None:
    """Mark when a session begins."""
    if request is not None:
        now = timezone.now().timestamp()
        request.session[_BEGAN] = request.session[_SEEN] = now


class SessionLimits:
    """Middleware: end sessions that are too old or too long unused, and note when one was last seen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now().timestamp()
        if _BEGAN in request.session:
            if why := over(request.session, now):
                _end(request, why)
            elif now - request.session[_SEEN] >= NOTED_EVERY_SECONDS:
                _note_seen(request, now)
        return self.get_response(request)


def over(session: SessionBase, now: float) -> str:
    """Say why a session has to end, or nothing."""
    if now - session[_BEGAN] >= settings.SESSION_COOKIE_AGE:
        return "after its longest time"
    if now - session[_SEEN] >= settings.SECPROF_SESSION_IDLE_SECONDS:
        return "because nobody used it"
    return ""


def _end(request: HttpRequest, why: str) -> None:
    if request.user.is_authenticated:
        UserSession.objects.filter(session_key=request.session.session_key).delete()
        note(
            SignInEvent.SESSION_ENDED,
            person=request.user.get_username(),
            now=timezone.now(),
            value="their own",
            message=f"By itself, {why}.",
        )
    logout(request)
    messages.info(request, f"Your session has ended {why}. Sign in again.")


def _note_seen(request: HttpRequest, now: float) -> None:
    request.session[_SEEN] = now
    UserSession.objects.filter(session_key=request.session.session_key).update(
        last_seen_at=timezone.now(), ip=get_adapter().get_client_ip(request)
    )
