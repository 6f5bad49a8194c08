"""Whether this session has given a second factor, and where somebody goes who has not.

The proof lies in the session: in what allauth records of each authentication, and in what the provider's token said.
`policies.web.actors` reads it off the user, so that no view has to know of sessions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.authentication import get_authentication_records
from allauth.mfa.stages import AuthenticateStage
from allauth.socialaccount.models import SocialLogin
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django_htmx.http import HttpResponseClientRedirect

from policies.domain.authority import SecondFactorNeeded
from policies.web.actors import PROVEN_AT
from policies.web.htmx import is_htmx, see_other

_STATE_KEY = "secprof"
_SESSION_KEY = "secprof_provider_factor"


@dataclass(frozen=True, slots=True)
class ProviderSays:
    """What the provider's token said about somebody, as far as it matters here."""

    groups: tuple[str, ...]
    factor_at: float | None

    def stash(self, login: SocialLogin) -> None:
        """Keep it with the login, which may go on over several requests."""
        login.state[_STATE_KEY] = {"groups": list(self.groups), "factor_at": self.factor_at}


def said_by_provider(signal_kwargs: Mapping[str, Any] | None) -> ProviderSays | None:
    """Find what the provider said about this login, or None when it is none by the provider."""
    login = (signal_kwargs or {}).get("sociallogin")
    said = login.state.get(_STATE_KEY) if login is not None else None
    return ProviderSays(tuple(said["groups"]), said["factor_at"]) if said else None


def keep(request: HttpRequest, said: ProviderSays) -> None:
    """Remember in the session when the provider asked for a second factor."""
    request.session[_SESSION_KEY] = [request.user.pk, said.factor_at]


class FactorStage(AuthenticateStage):
    """Asks for our second factor at sign-in, unless the provider has asked for one."""

    def _should_handle(self, request: HttpRequest) -> bool:
        said = said_by_provider(self.login.signal_kwargs)
        if said is not None and said.factor_at is not None:
            return False
        return bool(super()._should_handle(request))


def proven_at(request: HttpRequest, user: User) -> datetime | None:
    """Say when this session last gave a second factor."""
    times = [
        float(record["at"])
        for record in get_authentication_records(request, user)
        if record.get("method") == "mfa"
    ]
    owner, at = request.session.get(_SESSION_KEY) or (None, None)
    if owner == user.pk and at is not None:
        times.append(float(at))
    return datetime.fromtimestamp(max(times), UTC) if times else None


class SecondFactor:
    """Middleware: note on the user of a request when its session gave a second factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        loaded = request.user

        def marked() -> Any:
            # Asked for first when a view asks for the user, so that anonymous answers stay cheap.
            if isinstance(loaded, User):
                setattr(loaded, PROVEN_AT, proven_at(request, loaded))
            return loaded

        request.user = SimpleLazyObject(marked)  # type: ignore[assignment]
        return self.get_response(request)


def lead_to_step_up(request: HttpRequest, error: SecondFactorNeeded) -> HttpResponse:
    """Send somebody to confirm that it is them, and from there back to where they were."""
    messages.warning(request, str(error))
    address = f"{reverse('policies:step-up')}?{urlencode({'next': came_from(request)})}"
    return HttpResponseClientRedirect(address) if is_htmx(request) else see_other(address)


def came_from(request: HttpRequest) -> str:
    """Name the page of ours that somebody looks at: never the address of a fragment or of a POST."""
    if not is_htmx(request) and request.method == "GET":
        return request.get_full_path()
    shown = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    parts = urlsplit(shown)
    if parts.netloc != request.get_host() or not parts.path.startswith("/"):
        return "/"
    return parts._replace(scheme="", netloc="", fragment="").geturl()
