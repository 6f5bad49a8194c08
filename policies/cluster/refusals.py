"""From an API server's answer other than 2xx to our own error tree, by status and text.

Kyverno sets neither code nor reason, so the text decides, read tolerantly; `raw` keeps all of it.
"""

import re

import msgspec

from policies.cluster.errors import (
    ClusterError,
    Conflict,
    EngineDown,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    RejectedByAdmission,
    ServerFailed,
    Throttled,
    TimedOut,
    Unauthorized,
)

# A refusal quotes texts that others wrote: what stands first is the API server's own, so the first match decides.
_ADMISSION = re.compile(
    r'admission webhook "(?P<webhook>[^"]+)" denied the request'
    r"|ValidatingAdmissionPolicy '(?P<policy>[^']+)'(?: with binding '[^']*')? denied request"
    r'|failed calling webhook "(?P<down>[^"]+)"'
)
# `pods is forbidden: User "x" cannot create resource "pods" …`; also `cannot get path "/version"`.
_AUTHORIZER = re.compile(
    r'forbidden: User "[^"]*" cannot (?P<verb>\S+) (?P<what>resource|path)\b'
    r'(?: "(?P<plural>[^"]*)" in API group "(?P<group>[^"]*)")?',
    re.IGNORECASE,
)
# `pods "x" is forbidden: violates PodSecurity …`, `… exceeded quota: …`, and other built-in admission.
_PLUGIN = re.compile(r'"[^"]*" is forbidden: |^(?:violates PodSecurity|exceeded quota)\b')

_SHOWN_CHARACTERS = 400


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float | None = None


class _Status(msgspec.Struct):
    message: str = ""
    details: _Details | None = None


_STATUS = msgspec.json.Decoder(_Status)


def refusal(status: int, body: bytes, *, retry_after: str = "") -> ClusterError:
    """Word an answer that is not 2xx; `retry_after` is that header's value."""
    answer = _decoded(body)
    found = _from_admission(status, answer.message)
    if found is not None:
        return found
    if status == 429:
        return _throttled(answer, retry_after)
    if 300 <= status < 400:
        return Malformed(
            f"The server answered with a redirect (HTTP {status}), which is not followed; is this an API server?",
            status=status,
        )
    error_class, lead = _BY_STATUS.get(status, _otherwise(status))
    if status == 403:
        lead = _missing_right(answer.message) or lead
    return error_class(_sentence(lead, answer.message), status=status)


_BY_STATUS: dict[int, tuple[type[ClusterError], str]] = {
    401: (
        Unauthorized,
        "The API server does not accept the credential; it is wrong or has expired",
    ),
    403: (Forbidden, "The credential may not do this"),
    404: (NotFound, "The API server has no such object or kind"),
    409: (Conflict, "The object has changed or exists already"),
    410: (Gone, "The version asked for is too old"),
    504: (TimedOut, "The API server did not finish in time"),
}


def _missing_right(text: str) -> str:
    """Name the right as RBAC does, `create clusterpolicies.kyverno.io`; empty when the text does not say."""
    match = _AUTHORIZER.search(text)
    if not match or not match["plural"]:
        return ""
    resource = f"{match['plural']}.{match['group']}" if match["group"] else match["plural"]
    return (
        f"The credential may not {match['verb']} {resource}; the manifests in deploy/rbac grant it"
    )


def _otherwise(status: int) -> tuple[type[ClusterError], str]:
    if status >= 500:
        return ServerFailed, f"The API server failed (HTTP {status})"
    if status >= 400:
        return Invalid, "The API server found the request invalid"
    return Malformed, f"The server answered with HTTP {status}, which an API server does not"


def _from_admission(status: int, text: str) -> ClusterError | None:
    if status < 400:
        return None
    match = _ADMISSION.search(text)
    if match and match["webhook"]:
        name = match["webhook"]
        return RejectedByAdmission(
            f'The admission webhook "{name}" refused the request.',
            status=status,
            webhook=name,
            raw=text,
        )
    if match and match["policy"]:
        name = match["policy"]
        return RejectedByAdmission(
            f'The policy "{name}" of the API server refused the request.',
            status=status,
            webhook=name,
            raw=text,
        )
    if match and status >= 500:
        return _engine_down(status, match["down"], text)
    if status == 403 and _PLUGIN.search(text) and not _AUTHORIZER.search(text):
        return RejectedByAdmission(
            _sentence("The API server's own admission refused the request", text),
            status=status,
            raw=text,
        )
    return None


def _engine_down(status: int, webhook: str, text: str) -> EngineDown:
    late = "deadline exceeded" in text or "Timeout" in text or "timed out" in text
    happened = "did not answer in time" if late else "could not be called"
    return EngineDown(
        f'Engine down: the admission webhook "{webhook}" {happened}, and the API server must not go on without it.',
        status=status,
        webhook=webhook,
    )


def _throttled(answer: _Status, header: str) -> Throttled:
    seconds = answer.details.retry_after_seconds if answer.details else None
    if header.strip().isascii() and header.strip().isdigit():
        seconds = float(header)
    return Throttled(
        _sentence("The API server has too many requests", answer.message),
        status=429,
        retry_after_seconds=seconds,
    )


def _decoded(body: bytes) -> _Status:
    try:
        return _STATUS.decode(body)
    except msgspec.MsgspecError:
        # Proxies answer in HTML; the status says enough.
        return _Status()


def _sentence(lead: str, text: str) -> str:
    shown = " ".join(text.split()).rstrip(".")
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}…"
    return f"{lead}: {shown}." if shown else f"{lead}."
