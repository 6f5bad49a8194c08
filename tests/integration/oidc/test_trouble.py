"""A provider that is down, wrong or lying, and sign-ins that were tampered with: nobody gets in, and the page says why."""

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import User

from tests.integration.oidc.conftest import Configure, Walker
from tests.oidc.provider import CLIENT_ID
from tests.oidc.running import Provider
from tests.signing import newest

DISCOVERY, TOKEN, KEYS, USERINFO = (
    ".well-known/openid-configuration",
    "/token/",
    "jwks.json",
    "/userinfo/",
)


def refused(walker: Walker, response: Any, says: str, *, status: int = 502) -> None:
    """See that nobody is in, that the page says so, and that the trail does."""
    assert response.status_code == status, response.text
    assert says in response.text
    assert "Sign in" in response.text
    assert not walker.is_in
    assert not User.objects.exists()
    assert newest("sign_in.failed").outcome == "refused"


def test_wrong_client_secret_is_said(walker: Walker, configure: Configure) -> None:
    configure(client_secret="wrong-secret")

    refused(walker, walker.sign_in(), "gave no token")


def test_wrong_client_id_is_stopped_at_the_provider(walker: Walker, configure: Configure) -> None:
    configure(client_id="somebody-else")

    with pytest.raises(AssertionError, match="400|invalid"):
        walker.sign_in()


@pytest.mark.parametrize("other", ["http://127.0.0.1:9/o", "https://evil.example"])
def test_provider_that_calls_itself_otherwise_is_refused_before_anybody_leaves(
    walker: Walker, provider: Provider, other: str
) -> None:
    provider.door.changes[DISCOVERY] = lambda found: {**found, "issuer": other}

    refused(walker, walker.leave(), f"It calls itself {other}")


def test_issuer_with_a_slash_too_many_is_refused_and_shown(
    walker: Walker, provider: Provider, configure: Configure
) -> None:
    configure(issuer=f"{provider.issuer}/")

    refused(walker, walker.leave(), f"SECPROF_OIDC_ISSUER says {provider.issuer}/")


def test_provider_that_is_down_is_said(walker: Walker, provider: Provider) -> None:
    provider.door.shut = True

    refused(walker, walker.leave(), "Example ID does not answer")


def test_provider_that_goes_down_midway_is_said(walker: Walker, provider: Provider) -> None:
    back = walker.log_in(walker.address(), "alice")
    provider.door.shut = True

    refused(walker, walker.client.get(back), "Example ID does not answer")


@pytest.mark.parametrize(
    ("path", "change", "says"),
    [
        (DISCOVERY, lambda _: "text", "calls itself None"),
        (DISCOVERY, lambda found: {"issuer": found["issuer"]}, "names no authorization_endpoint"),
        (TOKEN, lambda found: {**found, "id_token": None}, "gave no id_token"),
        (TOKEN, lambda _: {"error": "odd"}, "gave no token"),
        (TOKEN, lambda found: {**found, "id_token": "a.b.c"}, "signature or form"),
        (KEYS, lambda _: {"keys": []}, "no key that fits"),
        (KEYS, lambda _: [], "no key that fits"),
        (USERINFO, lambda found: {**found, "sub": "999"}, "about somebody else"),
        (USERINFO, lambda _: [], "about somebody else"),
    ],
)
def test_answer_that_is_not_as_it_should_be_is_refused(
    walker: Walker, provider: Provider, path: str, change: Any, says: str
) -> None:
    if path == DISCOVERY:
        provider.door.changes[path] = change
        refused(walker, walker.leave(), says)
        return
    back = walker.log_in(walker.address(), "alice")
    provider.door.changes[path] = change

    refused(walker, walker.client.get(back), says)


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def forged(token: str, **changes: Any) -> str:
    """The same token with other claims, under the signature of the old ones."""
    head, _, signature = token.split(".")
    body = json.dumps({**claims_of(token), **changes}).encode()
    return f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{signature}"


def resigned(token: str) -> str:
    """The same claims, signed by somebody else."""
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(
        claims_of(token), key, "RS256", headers={"kid": jwt.get_unverified_header(token)["kid"]}
    )


def unsigned(token: str) -> str:
    return jwt.encode(claims_of(token), None, "none")


def by_client_id(token: str) -> str:
    """Signed with what is no secret, as if it were one."""
    return jwt.encode(claims_of(token), CLIENT_ID.ljust(32, "x"), "HS256")


@pytest.mark.parametrize(
    "tamper",
    [lambda token: forged(token, groups=["sec-approvers"]), resigned, unsigned, by_client_id],
)
def test_token_that_the_provider_did_not_sign_is_refused(
    walker: Walker, provider: Provider, tamper: Any
) -> None:
    back = walker.log_in(walker.address(), "alice")
    provider.door.changes[TOKEN] = lambda found: {**found, "id_token": tamper(found["id_token"])}

    response = walker.client.get(back)

    assert response.status_code == 502
    assert "token" in response.text
    assert not walker.is_in
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": int(time.time()) - 3600}, "The token has expired; compare the clocks"),
        ({"iss": "https://evil.example"}, "The token comes from another issuer."),
    ],
)
def test_token_well_signed_but_wrong_is_refused(
    walker: Walker, provider: Provider, claims: dict[str, Any], says: str
) -> None:
    provider.tell(alice=claims)

    refused(walker, walker.sign_in(), says)


def changed(address: str, **changes: str) -> str:
    parts = urlsplit(address)
    return parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **changes})).geturl()


def test_state_that_is_not_ours_is_refused(walker: Walker) -> None:
    back = walker.log_in(walker.address(), "alice")

    refused(walker, walker.client.get(changed(back, state="x" * 16)), "cannot go on", status=403)


def test_answer_meant_for_another_browser_is_refused(walker: Walker) -> None:
    back = Walker().log_in(walker.address(), "alice")
    stranger = Walker()

    refused(stranger, stranger.client.get(back), "It was not begun in this browser", status=403)


def test_answer_sent_twice_is_refused(walker: Walker) -> None:
    back = walker.log_in(walker.address(), "alice")
    walker.client.get(back)
    walker.client.post("/logout/")

    assert walker.client.get(back).status_code == 403
    assert not walker.is_in


def test_code_of_another_sign_in_fails_at_pkce(walker: Walker) -> None:
    stolen = dict(parse_qsl(urlsplit(Walker().log_in(Walker().address(), "bob")).query))["code"]
    back = walker.log_in(walker.address(), "alice")

    refused(walker, walker.client.get(changed(back, code=stolen)), "gave no token")


def test_challenge_taken_out_is_stopped_by_the_provider(walker: Walker) -> None:
    address = changed(walker.address(), code_challenge="", code_challenge_method="")

    back = walker.log_in(address, "alice")

    assert "error=invalid_request" in back
    refused(walker, walker.client.get(back), "cannot go on", status=403)


def test_nonce_changed_on_the_way_is_refused(walker: Walker) -> None:
    back = walker.log_in(changed(walker.address(), nonce="other"), "alice")

    refused(walker, walker.client.get(back), "answers another sign-in")


def test_sign_in_broken_off_at_the_provider_is_said(walker: Walker) -> None:
    state = dict(parse_qsl(urlsplit(walker.address()).query))["state"]

    response = walker.client.get(f"/login/oidc/callback/?error=access_denied&state={state}")

    refused(walker, response, "You were not signed in", status=403)


def test_callback_without_anything_is_refused(walker: Walker) -> None:
    refused(walker, walker.client.get("/login/oidc/callback/"), "cannot go on", status=403)


def test_ways_by_the_wrong_method_are_refused(walker: Walker) -> None:
    assert walker.client.get("/login/oidc/").status_code == 405
    assert walker.client.post("/login/oidc/callback/").status_code == 405


def test_local_accounts_work_while_the_provider_is_down(walker: Walker, provider: Provider) -> None:
    from tests import factories
    from tests.signing import sign_in

    factories.user("operator")
    provider.door.shut = True

    assert sign_in(walker.client, "operator").status_code == 302
    assert walker.is_in
