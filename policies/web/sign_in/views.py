"""allauth's views with what our pages need beside them. Each keeps allauth's flow; none judges a password or a code."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import app_settings
from allauth.account import views as account
from allauth.account.authentication import get_authentication_records
from allauth.mfa.base import views as base
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.mfa.webauthn.internal.auth import begin_authentication
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from policies.actions.sign_in import note
from policies.domain.sign_in import SignInEvent
from policies.queries.sessions import session_count
from policies.web.gate import open_to_all
from policies.web.htmx import see_other
from policies.web.sign_in.accounts import comes_by_provider, person_of, where
from policies.web.sign_in.factors import passkeys_work

View = Callable[..., HttpResponse]


def when_fresh(view: View) -> View:
    """Ask who signed in by the provider alone to sign in again first, if that was a while ago.

    Others are asked for their password or second factor by allauth; with neither it would ask for nothing, and whoever
    found an open browser could give themselves a second factor there.
    """

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = person_of(request)
        if user.has_usable_password() or Authenticator.objects.filter(user=user).exists():
            return view(request, *args, **kwargs)
        times = [record["at"] for record in get_authentication_records(request, user)]
        age = timezone.now().timestamp() - max(times, default=0.0)
        if age < app_settings.REAUTHENTICATION_TIMEOUT:
            return view(request, *args, **kwargs)
        address = reverse("policies:step-up", query={"next": request.get_full_path()})
        return HttpResponseRedirect(address)

    return login_required(checked)


class SignIn(account.LoginView):
    """Name and password, a passkey, or the provider."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "next": self.get_next_url() or "",
            "provider": settings.SECPROF_OIDC,
            "passkeys_work": passkeys_work(self.request),
        }


class SignInByPasskey(webauthn.LoginWebAuthnView):
    """A passkey alone: it proves the device and, by its PIN or finger, the person."""

    def form_invalid(self, form: Any) -> HttpResponse:
        note(
            SignInEvent.FAILED,
            person="",
            now=timezone.now(),
            outcome="refused",
            value="by passkey",
            **where(self.request),
        )
        return super().form_invalid(form)


class GiveFactor(base.AuthenticateView):
    """The second factor at sign-in."""

    def form_invalid(self, form: Any) -> HttpResponse:
        if form is self.webauthn_form:
            _note_passkey_failure(self.request, self.stage.login.user.get_username())
        return super().form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        options = context.get("js_data", {}).get("request_options")
        return {**context, **_kinds(self.request, self.stage.login.user, options)}


class Confirm(base.ReauthenticateView):
    """The second factor again, within a session: a code, or a passkey, on one page."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = person_of(self.request)
        options = dict(begin_authentication(user)) if has_passkey(user) else None
        return {
            **super().get_context_data(**kwargs),
            "next": self.get_next_url() or "",
            **_kinds(self.request, user, options),
        }


class ConfirmByPasskey(webauthn.ReauthenticateWebAuthnView):
    """Where the passkey of that page is sent."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect(self.passthrough_next_url(reverse("mfa_reauthenticate")))

    def form_invalid(self, form: Any) -> HttpResponse:
        _note_passkey_failure(
            self.request,
            person_of(self.request).get_username(),
            event=SignInEvent.NOT_CONFIRMED,
        )
        super().form_invalid(form)
        return see_other(self.passthrough_next_url(reverse("mfa_reauthenticate")))


class ConfirmByPassword(account.ReauthenticateView):
    """The password again, for who has no second factor yet."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "next": self.get_next_url() or ""}


class Security(base.IndexView):
    """What protects the account of whoever looks at it."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = person_of(self.request)
        return {
            **super().get_context_data(**kwargs),
            "has_password": user.has_usable_password(),
            "provider": settings.SECPROF_OIDC,
            "by_provider": comes_by_provider(user),
            "session_count": session_count(user_id=user.pk, now=timezone.now()),
            "passkeys_work": passkeys_work(self.request),
        }


class AddPasskey(webauthn.AddWebAuthnView):
    """A new passkey."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        options = json.dumps(_plain(context["js_data"]["creation_options"]))
        return {
            **context,
            "passkey_options": options,
            "passkeys_work": passkeys_work(self.request),
        }


def _plain(options: Any) -> Any:
    """Turn fido2's mappings into what JSON knows."""
    return {
        key: _plain(value) if hasattr(value, "items") else value for key, value in options.items()
    }


def has_passkey(user: Any) -> bool:
    """Say whether somebody has a passkey."""
    return Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).exists()


def _kinds(request: HttpRequest, user: Any, options: Any) -> dict[str, Any]:
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    usable = "webauthn" in kinds and options is not None and passkeys_work(request)
    return {
        "has_app": "totp" in kinds,
        "has_codes": "recovery_codes" in kinds,
        "has_passkey": "webauthn" in kinds,
        "passkey_options": json.dumps(_plain(options)) if usable else "",
    }


def _note_passkey_failure(
    request: HttpRequest, person: str, *, event: SignInEvent = SignInEvent.FACTOR_FAILED
) -> None:
    note(
        event,
        person=person,
        now=timezone.now(),
        outcome="refused",
        value="by a passkey",
        **where(request),
    )


def to_security(request: HttpRequest) -> HttpResponse:
    """Lead to the page that has taken the place of one of allauth's."""
    return redirect("mfa_index")


sign_in = open_to_all(SignIn.as_view())
sign_in_by_passkey = SignInByPasskey.as_view()
give_factor = GiveFactor.as_view()
confirm = never_cache(Confirm.as_view())
confirm_by_passkey = never_cache(ConfirmByPasskey.as_view())
confirm_by_password = never_cache(ConfirmByPassword.as_view())
security = never_cache(Security.as_view())
add_app = never_cache(when_fresh(totp.activate_totp))
remove_app = never_cache(login_required(totp.deactivate_totp))
add_passkey = never_cache(when_fresh(AddPasskey.as_view()))
rename_passkey = never_cache(login_required(webauthn.edit_webauthn))
remove_passkey = never_cache(login_required(webauthn.remove_webauthn))
codes = never_cache(login_required(recovery_codes.view_recovery_codes))
make_codes = never_cache(login_required(recovery_codes.generate_recovery_codes))
