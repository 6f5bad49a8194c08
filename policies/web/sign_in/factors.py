"""How second factors behave: sealed at rest, named for people, and bound to this host."""

import ipaddress

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.http import HttpRequest

from policies.actions import factors


class FactorAdapter(DefaultMFAAdapter):
    """Second factors of secprof."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code is not right. Use the newest one, and each only once.",
    }

    def encrypt(self, text: str) -> str:
        return factors.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return factors.unseal(encrypted_text)

    def get_totp_issuer(self) -> str:
        return f"secprof {self._get_site_name()}"

    def _get_user_identifier(self, user: User) -> str:
        return user.get_username()

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        """Name a passkey whose owner gave it no name."""
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {count + 1}"


def passkeys_work(request: HttpRequest) -> bool:
    """Say whether a browser can use passkeys at this address: they belong to host names, not to numbers."""
    host = request.get_host().rsplit(":", 1)[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return request.is_secure() or host == "localhost" or host.endswith(".localhost")
    return False
