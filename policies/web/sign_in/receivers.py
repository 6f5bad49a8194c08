"""Rows of the trail about second factors. Signals, because allauth has no adapter method at these places."""

from typing import Any

from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from policies.actions.sign_in import note
from policies.domain.sign_in import SignInEvent
from policies.web.sign_in.accounts import where

_NAMES = {
    Authenticator.Type.TOTP: "the authenticator app",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}


def _name(authenticator: Authenticator) -> str:
    kind = Authenticator.Type(authenticator.type)
    return _NAMES.get(kind) or f"the passkey {authenticator.wrap().name[:60]}"


def _tell(event: SignInEvent, user: User, request: HttpRequest, **rest: Any) -> None:
    note(event, person=user.get_username(), now=timezone.now(), **rest, **where(request))


@receiver(signals.authenticator_added)
def added(user: User, authenticator: Authenticator, request: HttpRequest, **_: Any) -> None:
    """Tell of a new second factor, or of its recovery codes."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        _tell(SignInEvent.CODES_MADE, user, request)
    else:
        _tell(SignInEvent.FACTOR_ADDED, user, request, value=_name(authenticator))


@receiver(signals.authenticator_reset)
def reset(user: User, request: HttpRequest, **_: Any) -> None:
    """Tell that recovery codes were made anew."""
    _tell(SignInEvent.CODES_MADE, user, request)


@receiver(signals.authenticator_removed)
def removed(user: User, authenticator: Authenticator, request: HttpRequest, **_: Any) -> None:
    """Tell that a second factor is gone."""
    _tell(SignInEvent.FACTOR_REMOVED, user, request, value=_name(authenticator))


@receiver(signals.authenticator_used)
def used(user: User, authenticator: Authenticator, request: HttpRequest, **how: Any) -> None:
    """Tell of each recovery code, and of each confirmation in a session; a sign-in has a row of its own."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        # The code was taken off another copy of the row.
        authenticator.refresh_from_db()
        left = len(authenticator.wrap().get_unused_codes())
        _tell(SignInEvent.CODE_USED, user, request, value=f"{left} left")
    if how.get("reauthenticated"):
        _tell(SignInEvent.CONFIRMED, user, request, value=_name(authenticator))


@receiver(signals.authentication_failed)
def failed(user: User, request: HttpRequest, **how: Any) -> None:
    """Tell of a wrong code."""
    again = how.get("reauthentication")
    event = SignInEvent.NOT_CONFIRMED if again else SignInEvent.FACTOR_FAILED
    _tell(event, user, request, outcome="refused", value="by a code")
