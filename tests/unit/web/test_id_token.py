"""Which id_tokens are believed: every way in which one can be wrong is refused with its reason."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from policies.web.sign_in.id_token import BadToken, read_id_token

ISSUER, CLIENT = "https://id.example", "secprof"
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str, algorithm: type) -> dict[str, Any]:
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid}


KEYS = {
    "keys": [
        jwk(RSA_KEY, "one", jwt.algorithms.RSAAlgorithm),
        jwk(EC_KEY, "two", jwt.algorithms.ECAlgorithm),
        {"kty": "oct", "kid": "three", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
    ]
}


def token(*args: Any, **changes: Any) -> Callable[[], str]:
    """A token that is made when its test runs: it does not last."""
    return lambda: made(*args, **changes)


def made(key: Any = RSA_KEY, alg: str = "RS256", kid: str | None = "one", **changes: Any) -> str:
    now = time.time()
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "s1", "iat": 0, "exp": 60, **changes}
    # Times are told in seconds from now.
    times = {name: now + claims[name] for name in ("iat", "exp") if claims[name] is not None}
    claims = {name: value for name, value in (claims | times).items() if value is not None}
    return jwt.encode(claims, key, alg, headers={"kid": kid} if kid else {})


def read(text: str, keys: dict[str, Any] = KEYS) -> dict[str, Any]:
    return read_id_token(text, keys=keys, issuer=ISSUER, client_id=CLIENT)


@pytest.mark.parametrize(
    "text",
    [
        token(),
        token(alg="PS256"),
        token(EC_KEY, "ES256", "two"),
        token(aud=[CLIENT]),
        token(aud=[CLIENT, "other"], azp=CLIENT),
        token(exp=-10),
    ],
)
def test_token_that_is_right_is_read(text: Callable[[], str]) -> None:
    assert read(text())["sub"] == "s1"


def test_token_without_key_id_takes_the_only_key() -> None:
    assert read(made(kid=None), {"keys": KEYS["keys"][:1]})["sub"] == "s1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (token(OTHER_KEY), "signature"),
        (token(kid="nine"), "no key that fits"),
        (token(kid=None), "no key that fits"),
        (token("x" * 40, "HS256"), "signed by HS256"),
        (token(None, "none"), "signed by none"),
        (token(EC_KEY, "ES256", "one"), "signature or form"),
        (token(kid="three"), "no key that fits"),
        (token(exp=-3600), "expired"),
        (token(iat=3600), "signature or form"),
        (token(exp=None), "signature or form"),
        (token(sub=None), "signature or form"),
        (token(iss="https://evil.example"), "another issuer"),
        (token(aud="other"), "another client"),
        (token(aud=[CLIENT, "other"]), "another client"),
        (token(aud=[CLIENT, "other"], azp="other"), "another client"),
        (lambda: "a.b.c", "signature or form"),
        (lambda: "", "signature or form"),
    ],
)
def test_token_that_is_wrong_is_refused_with_its_reason(
    text: Callable[[], str], reason: str
) -> None:
    with pytest.raises(BadToken, match=reason):
        read(text())


@pytest.mark.parametrize("keys", [{}, {"keys": 7}, {"keys": [7, "x"]}, {"keys": []}])
def test_token_of_a_provider_without_keys_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(BadToken, match="no key that fits"):
        read(made(), keys)
