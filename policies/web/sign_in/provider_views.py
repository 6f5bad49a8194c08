"""To the provider, and back from it."""

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.crypto import get_random_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException

from policies.web.sign_in.provider import OidcAdapter, provider_settings, trouble


def _adapter(request: HttpRequest, provider_id: str) -> OidcAdapter:
    """Raises Http404 when no provider is configured."""
    provider_settings()
    return OidcAdapter(request, provider_id)


@require_POST
@never_cache
def leave(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send somebody to the provider; with `fresh`, so that it asks again who they are.

    A page in between, not a redirect: browsers hold a redirected form to our own `form-action`, and the provider's
    pages may lead anywhere.
    """
    adapter = _adapter(request, provider_id)
    provider = adapter.get_provider()
    provider.oauth2_adapter_class = OidcAdapter
    fresh = {"prompt": "login", "max_age": "0"} if request.POST.get("fresh") else {}
    wanted = provider_settings().factor_acr if fresh else ()
    # PKCE binds the code to this browser, the nonce the token.
    nonce = get_random_string(32)
    try:
        response = provider.redirect(
            request,
            # Never `connect`: what the address asks for does not count.
            process=AuthProcess.LOGIN,
            next_url=get_next_redirect_url(request),
            auth_params={
                **fresh,
                **({"acr_values": " ".join(wanted)} if wanted else {}),
                "nonce": nonce,
            },
            nonce=nonce,
        )
    except (RequestException, OAuth2Error) as error:
        return trouble(request, error)
    if not isinstance(response, HttpResponseRedirect):
        return HttpResponse(response)
    context = {"address": response.url, "provider": provider_settings().name}
    return render(request, "policies/session/leaving.html", context)


@require_safe
@never_cache
def arrive(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take somebody in who comes back from the provider."""
    adapter = _adapter(request, provider_id)
    try:
        response: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)
    except (RequestException, OAuth2Error) as error:
        return trouble(request, error)
    return response
