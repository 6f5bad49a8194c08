"""A kubeconfig that a user pastes, read without running, opening or calling anything that it names.

The official loader runs `exec` and reads file paths as it loads, so it never sees this text. What is not on the
allow-list is refused by name.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from policies.cluster import addresses, kubeconfig_keys
from policies.cluster.certificates import (
    BadPem,
    belong_together,
    certificates_pem,
    private_key_pem,
)
from policies.cluster.connection import Connection
from policies.cluster.kubeconfig_text import InvalidKubeconfig, Mapping, load

__all__ = ["Connection", "InvalidKubeconfig", "parse_kubeconfig"]

# A longer or stranger name may be a secret in the wrong place, and is not repeated.
_QUOTABLE = re.compile(r"[A-Za-z0-9._@:/-]{1,80}")
# A key is a word; what has digits in it may be a secret that lost its own key.
_KEY = re.compile(r"[A-Za-z._-]{1,40}")
_TOKEN_TEXT = re.compile(r"[\x21-\x7e]+")
_SERVER_TEXT = re.compile(r"[\x21-\x7e]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")


def parse_kubeconfig(
    text: str, *, context: str | None = None, allow_loopback: bool = False
) -> Connection:
    """Read one context of a kubeconfig: the named, the current, or the only one.

    Raises:
        InvalidKubeconfig: what is wrong or refused, by name, and what to do instead.
    """
    config = load(text)
    _check_keys("The kubeconfig", config, kubeconfig_keys.TOP, {})
    chosen = _chosen_context(config, context)
    cluster, user = _part(config, "cluster", chosen), _part(config, "user", chosen)
    _check_keys(
        "The cluster entry", cluster, kubeconfig_keys.CLUSTER, kubeconfig_keys.REFUSED_CLUSTER
    )
    _check_keys("The user entry", user, kubeconfig_keys.USER, kubeconfig_keys.REFUSED_USER)
    _check_verifies(cluster)
    token, (certificate, key) = _token(user), _identity(user)
    if not token and not certificate:
        raise InvalidKubeconfig(
            "The user entry holds no credential; it needs a `token`, or `client-certificate-data` with"
            " `client-key-data`."
        )
    return Connection(
        server=_server(cluster, allow_loopback=allow_loopback),
        ca_pem=_pem(cluster, "certificate-authority-data", certificates_pem),
        token=token,
        client_certificate_pem=certificate,
        client_key_pem=key,
        tls_server_name=_tls_server_name(cluster),
        allow_loopback=allow_loopback,
    )


def _check_keys(
    where: str, entry: Mapping, allowed: frozenset[str], refused: dict[str, str]
) -> None:
    # What has a reason of its own is named first, whatever else is wrong.
    for key, reason in refused.items():
        if key in entry:
            raise InvalidKubeconfig(f"{where} has `{key}`, which {reason}.")
    for key in entry:
        if key not in allowed:
            raise InvalidKubeconfig(
                f"{where} has the unknown key {_quoted_key(key)}, which secprof does not read; remove it."
            )


def _chosen_context(config: Mapping, wanted: str | None) -> Mapping:
    names = [name for name in map(_name, _entries(config, "contexts")) if name]
    if not names:
        raise InvalidKubeconfig(
            "The kubeconfig has no `contexts`; it needs one that names a cluster and a user."
        )
    name = wanted or config.get("current-context") or (names[0] if len(names) == 1 else "")
    known = ", ".join(_quoted(each) for each in names[:10])
    if not name:
        raise InvalidKubeconfig(
            f"The kubeconfig has several contexts and no `current-context`; choose one of {known}."
        )
    if name not in names:
        raise InvalidKubeconfig(
            f"The kubeconfig has no context {_quoted(name)}; it has only {known}."
        )
    context = _named(config, "context", name)
    _check_keys("The context", context, kubeconfig_keys.CONTEXT, {})
    return context


def _part(config: Mapping, kind: str, context: Mapping) -> Mapping:
    """Find the cluster or the user that the context names."""
    name = context.get(kind)
    if not isinstance(name, str) or not name:
        raise InvalidKubeconfig(f"The context names no {kind}.")
    return _named(config, kind, name)


def _named(config: Mapping, kind: str, name: str) -> Mapping:
    found = [entry for entry in _entries(config, f"{kind}s") if _name(entry) == name]
    if len(found) != 1:
        count = "more than one" if found else "no"
        raise InvalidKubeconfig(f"The kubeconfig has {count} {kind} {_quoted(name)}.")
    _check_keys(f"An entry of `{kind}s`", found[0], frozenset({"name", kind}), {})
    part = found[0].get(kind)
    if not isinstance(part, dict):
        raise InvalidKubeconfig(f"The {kind} {_quoted(name)} is empty.")
    return part


def _entries(config: Mapping, section: str) -> tuple[Mapping, ...]:
    entries = config.get(section) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidKubeconfig(f"`{section}` must be a list of entries with a name.")
    return tuple(entries)


def _name(entry: Mapping) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) else ""


def _text(entry: Mapping, key: str) -> str:
    value = entry.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidKubeconfig(f"`{key}` must be text; put it in quotes.")
    return value.strip()


def _check_verifies(cluster: Mapping) -> None:
    if cluster.get("insecure-skip-tls-verify") not in (None, False):
        raise InvalidKubeconfig(
            "The cluster entry sets `insecure-skip-tls-verify`, which would hand the credential to anybody in"
            " between; remove it and paste the CA as `certificate-authority-data`."
        )


def _token(user: Mapping) -> str:
    token = _text(user, "token")
    if token and not _TOKEN_TEXT.fullmatch(token):
        raise InvalidKubeconfig(
            "The `token` holds characters that no token has, such as a space or a line break."
        )
    return token


def _identity(user: Mapping) -> tuple[str, str]:
    certificate = _pem(user, "client-certificate-data", certificates_pem)
    key = _pem(user, "client-key-data", private_key_pem)
    if certificate and not key:
        raise InvalidKubeconfig(
            "The user entry has `client-certificate-data` without `client-key-data`; paste both."
        )
    if key and not certificate:
        raise InvalidKubeconfig(
            "The user entry has `client-key-data` without `client-certificate-data`; paste both."
        )
    if certificate and not belong_together(certificate, key):
        raise InvalidKubeconfig(
            "`client-key-data` is not the key of the certificate in `client-certificate-data`."
        )
    return certificate, key


def _pem(entry: Mapping, key: str, decode: Callable[[str], str]) -> str:
    encoded = _text(entry, key)
    if not encoded:
        return ""
    try:
        return decode(encoded)
    except BadPem as error:
        raise InvalidKubeconfig(f"`{key}` {error}.") from None


def _server(cluster: Mapping, *, allow_loopback: bool) -> str:
    text = _text(cluster, "server").rstrip("/")
    if not text:
        raise InvalidKubeconfig("The cluster entry has no `server`.")
    if text.lower().startswith("http://"):
        raise InvalidKubeconfig(
            "The `server` is an http:// address, which would send the credential in the clear; use https://."
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    plain = _SERVER_TEXT.fullmatch(text) and port != 0 and not any(c in text for c in "@?#\\")
    if not plain or not text.lower().startswith("https://") or not _is_host(host):
        raise InvalidKubeconfig(
            "The `server` must be an address such as https://cluster.example:6443, without user, query or fragment."
        )
    if reason := addresses.refusal(host, allow_loopback=allow_loopback):
        raise InvalidKubeconfig(f"The `server` is refused: {reason}.")
    return text


def _tls_server_name(cluster: Mapping) -> str:
    name = _text(cluster, "tls-server-name")
    if name and not _is_host(name):
        raise InvalidKubeconfig("The `tls-server-name` is not a host name.")
    return name


def _is_host(name: str) -> bool:
    return addresses.is_address(name) or bool(_HOST_NAME.fullmatch(name))


def _quoted_key(key: object) -> str:
    return _quoted(key) if isinstance(key, str) and _KEY.fullmatch(key) else "(not shown)"


def _quoted(name: object) -> str:
    text = str(name) if isinstance(name, str | int | bool) else ""
    return f"`{text}`" if _QUOTABLE.fullmatch(text) else "(not shown)"
