"""Hands for tests about signing in: a password typed, an authenticator app set up, its codes. No mock: allauth's own parts."""

import time
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from policies.models import AuditEvent
from tests import factories

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_PERIOD_SECONDS = 30


def code(secret: str = SECRET) -> str:
    """What the app shows now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // _PERIOD_SECONDS))


def give_app(user: User) -> list[str]:
    """Set up an authenticator app for somebody, and give their recovery codes."""
    TOTP.activate(user, SECRET)
    return list(RecoveryCodes.activate(user).get_unused_codes())


def sign_in(
    client: Client, name: str, password: str = factories.PASSWORD, **rest: Any
) -> HttpResponse:
    """Type a name and a password."""
    return client.post("/login/", {"username": name, "password": password, **rest})


def signed_in(role: str, **headers: str) -> Client:
    """A browser in which somebody has typed their password."""
    user = factories.user(role)
    client = Client(headers={"User-Agent": FIREFOX, **headers})
    assert sign_in(client, user.get_username()).status_code == 302
    return client


def verbs() -> list[str]:
    """What the trail says, oldest first."""
    return list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True))


def newest(verb: str) -> AuditEvent:
    """The newest row of the trail with this verb."""
    return AuditEvent.objects.filter(verb=verb).latest("pk")
