"""allauth's forms, with the name field called what browsers expect, and passkeys read as a stranger's words."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.account.forms import LoginForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from cryptography.exceptions import InvalidSignature
from django import forms
from django.core.exceptions import ValidationError

LONGEST_CREDENTIAL = 20_000
"""In characters; an attestation with its certificates has some 5,000."""


class SignInForm(LoginForm):
    """Name and password."""

    def add_prefix(self, field_name: str) -> str:
        return "username" if field_name == "login" else super().add_prefix(field_name)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            field.widget.attrs["class"] = "form-control"
        self.fields["login"].widget.attrs |= {
            "autofocus": True,
            # Passkeys that this browser holds are offered here, too.
            "autocomplete": "username webauthn",
        }


class CredentialField(forms.JSONField):
    """What a browser answers about a passkey, before anything looks into it."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > LONGEST_CREDENTIAL:
            raise _not_a_passkey()
        try:
            found = super().to_python(value)
        except RecursionError:
            raise _not_a_passkey() from None
        if found is not None and not isinstance(found, dict):
            raise _not_a_passkey()
        return found


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey."""

    credential = CredentialField()

    def clean(self) -> dict[str, Any]:
        with _malformed_is_refused():
            return dict(super().clean())


class _UsePasskey(AuthenticateWebAuthnForm):
    credential = CredentialField()

    def clean_credential(self) -> Authenticator:
        with _malformed_is_refused():
            return super().clean_credential()


class SignInPasskeyForm(_UsePasskey, LoginWebAuthnForm):
    """A passkey alone."""


class GivePasskeyForm(_UsePasskey):
    """A passkey as the second factor at sign-in."""


class ConfirmPasskeyForm(_UsePasskey, ReauthenticateWebAuthnForm):
    """A passkey as the second factor within a session."""


@contextmanager
def _malformed_is_refused() -> Iterator[None]:
    """Refuse what allauth and fido2 trip over: they look into a stranger's JSON, and a wrong signature is no ValueError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, InvalidSignature, struct.error):
        raise _not_a_passkey() from None


def _not_a_passkey() -> ValidationError:
    return ValidationError("This is not a passkey that belongs here.", code="incorrect_code")
