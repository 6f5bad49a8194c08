"""Checks an id_token as OpenID Connect Core 3.1.3.7 wants it, signature included. Fetches nothing."""

from collections.abc import Mapping
from typing import Any

import jwt

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Those with a public key: with the others whoever can check a token could also make one."""
LEEWAY_SECONDS = 30


class BadToken(Exception):
    """The id_token is not what this provider would give to us; the message says why."""


def read_id_token(
    text: str, *, keys: Mapping[str, Any], issuer: str, client_id: str
) -> dict[str, Any]:
    """Give the claims of a token that one of these keys (a JWKS) signed, for us, and that has not expired.

    Raises BadToken.
    """
    try:
        header = jwt.get_unverified_header(text)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise BadToken(f"The token is signed by {algorithm}, which secprof does not take.")
        claims: dict[str, Any] = jwt.decode(
            text,
            key=_key(keys, header.get("kid"), algorithm).key,
            algorithms=[algorithm],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise BadToken("The token has expired; compare the clocks of both servers.") from error
    except jwt.InvalidIssuerError as error:
        raise BadToken("The token comes from another issuer.") from error
    except jwt.InvalidAudienceError as error:
        raise BadToken("The token is meant for another client.") from error
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise BadToken("The token's signature or form is not right.") from error
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1:
        party = claims.get("azp")
        if party != client_id:
            raise BadToken("The token is meant for another client.")
    return claims


def _key(keys: Mapping[str, Any], key_id: object, algorithm: str) -> jwt.PyJWK:
    listed = keys.get("keys")
    found = [key for key in listed if isinstance(key, dict)] if isinstance(listed, list) else []
    fitting = [key for key in found if key_id is None or key.get("kid") == key_id]
    if len(fitting) != 1 or fitting[0].get("kty") == "oct":
        raise BadToken("The provider publishes no key that fits the token.")
    return jwt.PyJWK(fitting[0], algorithm)
