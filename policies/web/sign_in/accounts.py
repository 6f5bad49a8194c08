"""How accounts behave: no sign-up, no mail, every step in the trail, and a second factor that a password cannot replace.

allauth calls this adapter; what it does not offer a hook for is in `receivers`.
"""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core.internal.httpkit import authenticated_user, clean_client_ip
from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.forms import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from policies.actions.sessions import end_other_sessions
from policies.actions.sign_in import follow_provider, note
from policies.domain.sign_in import SignInEvent, device
from policies.web.sign_in import second_factor
from policies.web.sign_in.pages import refusal, throttled

UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - no address to listen on
"""A visitor over a Unix socket, without a proxy that says from where."""
_THROTTLED = frozenset({"too_many_login_attempts", "rate_limited"})
_WAYS = {
    "password": "password",
    "socialaccount": "provider",
    "totp": "authenticator app",
    "webauthn": "passkey",
    "recovery_codes": "recovery code",
}


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of secprof."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The name or the password is not right.",
        "incorrect_password": "The password is not right.",
        "enter_current_password": "This is not your present password.",
    }

    def get_client_ip(self, request: HttpRequest) -> str:
        try:
            return str(super().get_client_ip(request))
        except (ImproperlyConfigured, PermissionDenied):
            # Fewer proxies than there should be, or a header that is no address: whoever sent it came around them.
            return clean_client_ip(request.META.get("REMOTE_ADDR") or "") or UNKNOWN_ADDRESS

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        if code in _THROTTLED:
            raise throttled(self.request)
        return super().validation_error(code, *args)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        typed = str(credentials.get("username", ""))
        found = User.objects.filter(username__iexact=typed).first()
        # A name that is nobody's may be a password typed into the wrong field.
        note(
            SignInEvent.FAILED,
            person=found.get_username() if found else "",
            now=timezone.now(),
            outcome="refused",
            value="by password",
            typed="" if found else f"{typed[:2]}…",
            **where(request),
        )

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        note(
            SignInEvent.FAILED,
            person=user.get_username(),
            now=timezone.now(),
            outcome="refused",
            value="to an account that is switched off",
            **where(request),
        )
        return refusal(request, "Your account is switched off", "An admin can switch it on again.")

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response = super().post_login(request, user, **kwargs)
        said = second_factor.said_by_provider(kwargs.get("signal_kwargs"))
        if said is not None:
            second_factor.keep(request, said)
            follow_provider(user=user, groups=said.groups, now=timezone.now())
        records = get_authentication_records(request, user)
        ways = dict.fromkeys(_way(record) for record in records)
        note(
            SignInEvent.SIGNED_IN,
            person=user.get_username(),
            now=timezone.now(),
            value=f"by {' and '.join(ways)}" if ways else "",
            **where(request),
        )
        return response

    def logout(self, request: HttpRequest) -> None:
        if request.user.is_authenticated:
            UserSession.objects.filter(session_key=request.session.session_key).delete()
            note(SignInEvent.SIGNED_OUT, person=request.user.get_username(), now=timezone.now())
        super().logout(request)

    def set_password(self, user: User, password: str) -> None:
        super().set_password(user, password)
        now = timezone.now()
        note(SignInEvent.PASSWORD_CHANGED, person=user.get_username(), now=now)
        # They would end by themselves with their next request; this way the list is right at once.
        end_other_sessions(user=user, kept_key=self.request.session.session_key or "", now=now)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return "/account/"

    def get_login_stages(self) -> list[str]:
        ours = "policies.web.sign_in.second_factor.FactorStage"
        return [
            ours if path == "allauth.mfa.stages.AuthenticateStage" else path
            for path in super().get_login_stages()
        ]

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """Ask who has a second factor for that, never for the password alone: it would let the factor be removed."""
        methods = super().get_reauthentication_methods(user)
        if user.is_authenticated and is_mfa_enabled(user, ["totp", "webauthn"]):
            return [method for method in methods if method["id"] != "reauthenticate"]
        return methods


def where(request: HttpRequest) -> dict[str, str]:
    """Say from where a request comes, for the trail."""
    adapter = get_adapter()
    return {
        "address": adapter.get_client_ip(request),
        "device": device(adapter.get_http_user_agent(request)),
    }


def person_of(request: HttpRequest) -> User:
    """Give the signed-in user of a request that has one."""
    user: User = authenticated_user(request)
    return user


def comes_by_provider(user: User) -> bool:
    """Say whether somebody's account came from the provider."""
    return bool(SocialAccount.objects.filter(user=user).exists())


def _way(record: dict[str, Any]) -> str:
    word = str(record.get("type") or record.get("method"))
    return _WAYS.get(word, word)
