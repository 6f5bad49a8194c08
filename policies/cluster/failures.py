"""From what a library raises to our own error tree. What the API server itself answers is `refusals`."""

import errno
import http.client
import ssl
from collections.abc import Iterator

from kubernetes.client.exceptions import ApiException
from urllib3 import exceptions as wire

from policies.cluster.errors import ClusterError, Malformed, TimedOut, TlsFailed, Unreachable
from policies.cluster.pool import AddressRefused

LIBRARY_ERRORS = (wire.HTTPError, ApiException)
"""What `kubernetes` and urllib3 raise when no whole answer was received."""

# OpenSSL's X509_V_ERR numbers.
_CERTIFICATE_WORDS = {
    9: "its certificate is not valid yet",
    7: "its certificate is not signed by the CA that we were given",
    10: "its certificate has expired",
    18: "its certificate is self-signed and not the CA that we were given",
    19: "its certificate is not signed by the CA that we were given",
    20: "its certificate is not signed by the CA that we were given",
    21: "its certificate is not signed by the CA that we were given",
    62: "its certificate is for another host name; `tls-server-name` can say which",
    64: "its certificate is for another IP address; `tls-server-name` can say which name it bears",
}
_CONNECT_WORDS = {
    errno.ECONNREFUSED: "nothing listens there (connection refused)",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to it",
    errno.ECONNRESET: "it reset the connection",
}


def failure(error: Exception, *, host: str) -> ClusterError:
    """Word why no whole answer came from this host."""
    if isinstance(error, AddressRefused):
        return Unreachable(f"The API server {host} is not called: {error}.")
    if isinstance(error, wire.NewConnectionError):
        return _not_connected(error, host)
    if isinstance(error, wire.ConnectTimeoutError):
        return TimedOut(f"The API server {host} did not accept a connection in time.")
    if isinstance(error, wire.ReadTimeoutError):
        return TimedOut(f"The API server {host} did not answer in time.")
    if isinstance(error, wire.SSLError | ApiException):
        # The client turns a urllib3 SSLError into an ApiException, and the error itself is only its context.
        return _tls(error, host)
    if isinstance(error, wire.DecodeError):
        return Malformed(f"The answer of {host} is not compressed as it says.")
    return _broken_off(error, host)


def _not_connected(error: wire.NewConnectionError, host: str) -> ClusterError:
    if isinstance(error, wire.NameResolutionError):
        return Unreachable(f"The name of the API server {host} is not known (DNS).")
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in _CONNECT_WORDS:
            return Unreachable(
                f"The API server {host} is unreachable: {_CONNECT_WORDS[each.errno]}."
            )
    return Unreachable(f"The API server {host} is unreachable: no connection could be made.")


def _tls(error: Exception, host: str) -> ClusterError:
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            words = _CERTIFICATE_WORDS.get(each.verify_code, each.verify_message)
            return TlsFailed(f"The API server {host} is not trusted: {words}.")
        if isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            # Also what is left of TLS 1.3's refusal of our certificate when we were still writing.
            return Unreachable(
                f"{host} closed the connection during the TLS handshake; it may want a client certificate."
            )
        if isinstance(each, ssl.SSLError) and each.reason:
            return TlsFailed(f"The TLS handshake with {host} failed: {_words(each.reason)}.")
    return TlsFailed(f"The TLS handshake with {host} failed.")


def _words(reason: str) -> str:
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
        return "it does not speak TLS on this port"
    if "ALERT" in reason:
        # Such as TLSV13_ALERT_CERTIFICATE_REQUIRED or SSLV3_ALERT_BAD_CERTIFICATE.
        return f"it refused our side ({reason.lower().replace('_', ' ')})"
    return reason.lower().replace("_", " ")


def _broken_off(error: Exception, host: str) -> ClusterError:
    for each in _chain(error):
        if isinstance(each, http.client.IncompleteRead | wire.IncompleteRead):
            return Unreachable(f"The connection to {host} was cut off in the middle of an answer.")
        if isinstance(each, http.client.RemoteDisconnected | OSError):
            return Unreachable(f"The API server {host} closed the connection without an answer.")
        if isinstance(each, http.client.HTTPException):
            return Malformed(f"What {host} answered is not HTTP.")
    return Unreachable(f"The exchange with the API server {host} failed.")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to everything that it wraps, each once."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = (each.__cause__, each.__context__, *each.args)
        waiting.extend(one for one in inner if isinstance(one, BaseException))
