"""What the environment says about signing in: the OIDC provider, the demanded second factor, the shared cache.

Reads values and refuses bad ones by name; how people sign in is in `policies.web.sign_in`.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from secprof_site import env

PROVIDER_ID = "oidc"
"""There is one provider, and this is its name in addresses and rows."""
DEMANDS = ("approve", "override", "weaken")
"""What a second factor can be demanded for."""
_PARTS = ("SECPROF_OIDC_ISSUER", "SECPROF_OIDC_CLIENT_ID", "SECPROF_OIDC_CLIENT_SECRET")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_REDIS = "django.core.cache.backends.redis.RedisCache"
_LOCAL = "django.core.cache.backends.locmem.LocMemCache"


@dataclass(frozen=True, slots=True)
class Oidc:
    """One OpenID Connect provider, and what its claims mean here."""

    issuer: str
    client_id: str
    client_secret: str
    name: str
    scopes: tuple[str, ...]
    name_claim: str
    groups_claim: str
    groups: tuple[tuple[str, str], ...]
    """The provider's name of a group and ours; one that ends in * stands for all that begin so."""
    required_group: str
    factor_amr: tuple[str, ...]
    factor_acr: tuple[str, ...]


def read_oidc(environ: env.Environ, *, plain_loopback: bool) -> Oidc | None:
    """Read the provider, or None when there is none. `plain_loopback` lets one on this machine speak plain HTTP.

    Raises:
        ImproperlyConfigured: it is described in part, or its address is no https:// address.
    """
    issuer, client_id = (env.read_text(environ, name) for name in _PARTS[:2])
    secret = env.read_secret(environ, _PARTS[2])
    oidc = Oidc(
        issuer=issuer,
        client_id=client_id,
        client_secret=secret,
        name=env.read_text(environ, "SECPROF_OIDC_NAME", "single sign-on"),
        scopes=env.split_list(env.read_text(environ, "SECPROF_OIDC_SCOPES", "openid,profile")),
        name_claim=env.read_text(environ, "SECPROF_OIDC_NAME_CLAIM", "preferred_username"),
        groups_claim=env.read_text(environ, "SECPROF_OIDC_GROUPS_CLAIM", "groups"),
        groups=_read_groups(environ),
        required_group=env.read_text(environ, "SECPROF_OIDC_REQUIRED_GROUP"),
        factor_amr=env.split_list(env.read_text(environ, "SECPROF_OIDC_FACTOR_AMR", "mfa")),
        factor_acr=env.read_list(environ, "SECPROF_OIDC_FACTOR_ACR"),
    )
    parts = dict(zip(_PARTS, (issuer, client_id, secret), strict=True))
    missing = [name for name, value in parts.items() if not value]
    if len(missing) == len(parts) and not oidc.groups and not oidc.required_group:
        return None
    if missing:
        raise ImproperlyConfigured(
            f"Sign-in by OIDC lacks {', '.join(missing)}. Set all of {', '.join(_PARTS)}, or no variable"
            " that begins with SECPROF_OIDC_."
        )
    _check_issuer(issuer, plain_loopback=plain_loopback)
    if "openid" not in oidc.scopes:
        raise ImproperlyConfigured("SECPROF_OIDC_SCOPES must hold openid.")
    return oidc


def _check_issuer(issuer: str, *, plain_loopback: bool) -> None:
    parts = urlsplit(issuer)
    plain = plain_loopback and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if (parts.scheme != "https" and not plain) or not parts.hostname or parts.query:
        raise ImproperlyConfigured(
            "SECPROF_OIDC_ISSUER must be the provider's https:// address, as its discovery document gives it."
        )


def _read_groups(environ: env.Environ) -> tuple[tuple[str, str], ...]:
    pairs = []
    for entry in env.read_list(environ, "SECPROF_OIDC_GROUPS"):
        theirs, equals, ours = (part.strip() for part in entry.partition("="))
        ours = ours if equals else theirs
        if not theirs.rstrip("*") or not ours or (equals and "*" in entry):
            raise ImproperlyConfigured(
                f"SECPROF_OIDC_GROUPS holds {entry!r}; each entry is provider-group=our-group, a name that both"
                " use, or a beginning with *, such as secprof-*."
            )
        pairs.append((theirs, ours))
    return tuple(pairs)


def providers(oidc: Oidc | None) -> dict[str, Any]:
    """Describe the provider as allauth wants it."""
    if oidc is None:
        return {}
    app = {
        "provider_id": PROVIDER_ID,
        "name": oidc.name[:40],
        "client_id": oidc.client_id,
        "secret": oidc.client_secret,
        "settings": {
            "server_url": f"{oidc.issuer.rstrip('/')}/.well-known/openid-configuration",
            "scope": list(oidc.scopes),
            "oauth_pkce_enabled": True,
        },
    }
    return {"openid_connect": {"APPS": [app]}}


def read_second_factor_for(environ: env.Environ) -> tuple[str, ...]:
    """Read what a second factor is demanded for. Raises ImproperlyConfigured for an unknown word."""
    words = env.read_list(environ, "SECPROF_SECOND_FACTOR_FOR")
    unknown = [word for word in words if word not in DEMANDS]
    if unknown:
        raise ImproperlyConfigured(
            f"SECPROF_SECOND_FACTOR_FOR holds {', '.join(unknown)}; it may hold {', '.join(DEMANDS)}."
        )
    return words


def caches(redis_url: str, *, local: bool) -> dict[str, dict[str, Any]]:
    """Describe the cache that throttling counts in: Redis for all processes, or the process's own memory.

    Raises:
        ImproperlyConfigured: the broker is none that can count.
    """
    parts = urlsplit(redis_url)
    if local or parts.scheme == "memory":
        return {"default": {"BACKEND": _LOCAL}}
    if parts.scheme in {"redis+socket", "unix"}:
        location = f"unix://{unquote(parts.path)}"
    elif parts.scheme in {"redis", "rediss"}:
        location = redis_url
    else:
        raise ImproperlyConfigured(
            "REDIS_URL must begin with redis://, rediss:// or redis+socket://."
        )
    options = {"serializer": "secprof_site.cache.JsonSerializer"}
    return {
        "default": {
            "BACKEND": _REDIS,
            # A list: Django would split text at commas, and a password may hold one.
            "LOCATION": [location],
            "KEY_PREFIX": "secprof",
            "OPTIONS": options,
        }
    }
