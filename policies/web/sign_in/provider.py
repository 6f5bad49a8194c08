"""Sign-in by OpenID Connect: what of the provider's answers is believed, and who gets in.

A provider never gets hold of an account that somebody made here, neither by its name nor by an e-mail address, and
nothing connects the two by itself.
"""

import logging
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from allauth.socialaccount.models import SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from requests import RequestException

from policies.actions.sessions import end_other_sessions
from policies.actions.sign_in import follow_provider, note
from policies.domain.sign_in import (
    NAME_LIMIT,
    SignInEvent,
    factor_given_at,
    groups_named,
    our_groups,
)
from policies.web.sign_in.accounts import where
from policies.web.sign_in.id_token import BadToken, read_id_token
from policies.web.sign_in.pages import refusal, refused
from policies.web.sign_in.second_factor import ProviderSays
from secprof_site.sign_in import Oidc

logger = logging.getLogger(__name__)

_HOW_SIGNED_IN = frozenset({"amr", "acr", "auth_time"})
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_KEPT = ("sub", "name", "given_name", "family_name")
"""The claims that are stored. No e-mail address: nothing here sends mail or tells people apart by it."""


class ProviderUnusable(OAuth2Error):
    """The provider answers, but not as it should; the message says how."""


def provider_settings() -> Oidc:
    """Give the configured provider. Raises Http404 when there is none: then its addresses lead nowhere."""
    if settings.SECPROF_OIDC is None:
        raise Http404
    return settings.SECPROF_OIDC


class OidcAdapter(OpenIDConnectOAuth2Adapter):
    """Talks to the provider: discovery, token, userinfo."""

    @property
    def openid_config(self) -> dict[str, Any]:
        known = self.__dict__.get("_checked")
        if known is None:
            found = self._fetch(self.get_provider().server_url)
            known = self.__dict__["_checked"] = _checked(found, provider_settings().issuer)
        return known

    @property
    def basic_auth(self) -> bool:
        # A provider that does not say takes the standard's default.
        methods = self.openid_config.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )
        return "client_secret_post" not in methods

    def complete_login(
        self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        id_token = kwargs["response"].get("id_token")
        if not isinstance(id_token, str):
            raise ProviderUnusable("It gave no id_token; is `openid` among the scopes?")
        config = self.openid_config
        try:
            claims = read_id_token(
                id_token,
                keys=self._fetch(config["jwks_uri"]),
                issuer=config["issuer"],
                client_id=app.client_id,
            )
        except BadToken as error:
            raise ProviderUnusable(str(error)) from error
        if "userinfo_endpoint" in config:
            told = self._fetch_user_info(token.token)
            if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
                raise ProviderUnusable("Its userinfo is about somebody else than its token.")
            # What says how somebody signed in is believed from the signed token alone.
            claims = {**_without(told, _HOW_SIGNED_IN), **claims}
        return _login(self, request, claims)

    def _fetch(self, address: str) -> dict[str, Any]:
        with get_social_adapter().get_requests_session() as session:
            response = session.get(address)
            response.raise_for_status()
            found = response.json()
        return found if isinstance(found, dict) else {}


def _without(told: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}


def _checked(config: dict[str, Any], issuer: str) -> dict[str, Any]:
    if config.get("issuer") != issuer:
        raise ProviderUnusable(
            f"It calls itself {config.get('issuer')}, and SECPROF_OIDC_ISSUER says {issuer}; both must be the same, to the letter."
        )
    for name in _ENDPOINTS:
        address = config.get(name)
        if not isinstance(address, str):
            raise ProviderUnusable(f"Its discovery document names no {name}.")
        if urlsplit(issuer).scheme == "https" and urlsplit(address).scheme != "https":
            raise ProviderUnusable(f"Its {name} is no https:// address.")
    return config


def _login(adapter: OidcAdapter, request: HttpRequest, claims: dict[str, Any]) -> SocialLogin:
    oidc = provider_settings()
    kept = {name: claims[name] for name in _KEPT if isinstance(claims.get(name), str)}
    if not kept.get("sub") or len(kept["sub"]) > 191:
        raise ProviderUnusable("Its token names nobody.")
    name = claims.get(oidc.name_claim)
    # allauth would cut a longer one, and two people might come to share what is left.
    text = name.strip() if isinstance(name, str) else ""
    kept["preferred_username"] = text if len(text) <= NAME_LIMIT else ""
    login: SocialLogin = adapter.get_provider().sociallogin_from_response(
        request, {"userinfo": kept}
    )
    factor_at = factor_given_at(
        claims, amr=oidc.factor_amr, acr=oidc.factor_acr, now=timezone.now()
    )
    # allauth puts a stored account in place of the one made here, and keeps the login.
    login.said = (
        groups_named(claims, oidc.groups_claim),
        factor_at.timestamp() if factor_at else None,
    )
    login.nonce = claims.get("nonce")
    return login


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Decides who of the provider's people gets in, and as whom."""

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return False

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Let somebody in for the first time unless their name cannot be used here."""
        name = sociallogin.user.get_username()
        try:
            get_account_adapter().clean_username(name)
        except ValidationError as error:
            if error.code == "username_taken" or User.objects.filter(username__iexact=name):
                sentence = (
                    f"The name {name} belongs to another account here, which yours at"
                    f" {provider_settings().name} does not take over. An admin has to rename one of the two."
                )
            else:
                sentence = (
                    f"{provider_settings().name} gives no name for you that can be used here"
                    f" (claim {provider_settings().name_claim}). Tell an admin."
                )
            note_failure(request, name, "its name cannot be used here")
            raise refused(request, "Your name cannot be used", sentence) from error
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if sociallogin.nonce != sociallogin.state.get("nonce"):
            raise ImmediateHttpResponse(
                trouble(
                    request, ProviderUnusable("Its token answers another sign-in than this one.")
                )
            )
        groups, factor_at = sociallogin.said
        oidc = provider_settings()
        if oidc.required_group and oidc.required_group not in groups:
            self._turn_away(request, sociallogin)
        ProviderSays(our_groups(groups, oidc.groups), factor_at).stash(sociallogin)

    def _turn_away(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        user = sociallogin.user
        if sociallogin.is_existing:
            now = timezone.now()
            follow_provider(user=user, groups=(), now=now)
            end_other_sessions(user=user, kept_key="", now=now)
        oidc = provider_settings()
        note_failure(request, user.get_username(), "not in the required group")
        raise refused(
            request,
            "You are not let in here",
            f"{oidc.name} knows you, but does not count you to the group {oidc.required_group}, which secprof asks for.",
        )

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        name = provider_settings().name
        if error == AuthError.CANCELLED:
            note_failure(request, "", "broken off")
            raise refused(request, "You were not signed in", f"{name} says that it was broken off.")
        if exception is None:
            note_failure(request, "", "begun elsewhere, or refused")
            raise refused(
                request,
                "This sign-in cannot go on",
                f"It was not begun in this browser, it took too long, or {name} refused it. Begin again.",
            )
        raise ImmediateHttpResponse(trouble(request, exception)) from exception


def trouble(request: HttpRequest, error: Exception) -> HttpResponse:
    """Render what is wrong between us and the provider, for people and for the admin whom they ask."""
    name = provider_settings().name
    logger.warning("sign_in.provider.failed", extra={"cause": type(error).__name__})
    if isinstance(error, ProviderUnusable):
        note_failure(request, "", str(error))
        return refusal(request, f"{name} cannot be used", f"{error} Tell an admin.", status=502)
    if isinstance(error, RequestException):
        note_failure(request, "", "no answer")
        sentence = (
            f"secprof cannot reach {name} now. Try again in a minute; local accounts still work."
        )
        return refusal(request, f"{name} does not answer", sentence, status=502)
    note_failure(request, "", "no token")
    sentence = (
        f"{name} did not take secprof's client id and secret, or this attempt. Begin again; if it happens twice,"
        " an admin should check SECPROF_OIDC_CLIENT_ID and SECPROF_OIDC_CLIENT_SECRET."
    )
    return refusal(request, f"{name} gave no token", sentence, status=502)


def note_failure(request: HttpRequest, person: str, why: str) -> None:
    """Tell the trail that nobody came in by the provider."""
    note(
        SignInEvent.FAILED,
        person=person,
        now=timezone.now(),
        outcome="refused",
        value="by the provider",
        message=why,
        **where(request),
    )
