"""What can go wrong with a cluster, told apart by cause: the only errors that leave a gateway.

Each message is one sentence fit for an operator. No message holds a token, a key or a kubeconfig.
"""


class ClusterError(Exception):
    """Anything that a cluster, or the way to it, did wrong."""

    reason = "failed"
    """A short stable word for rows, filters and tests."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """The HTTP status, if there was an answer."""
        self.warnings: tuple[str, ...] = ()
        """Texts of the `Warning` headers of that answer, for a dry-run pod that was let in and then not stored."""


class Unreachable(ClusterError):
    """No connection: refused, no route, name unknown, cut off midway."""

    reason = "unreachable"


class TlsFailed(ClusterError):
    """The server's certificate is not signed by the CA we were given, or does not fit its name."""

    reason = "tls"


class TimedOut(ClusterError):
    """No answer within the time limit."""

    reason = "timed-out"


class Unauthorized(ClusterError):
    """401: the credential is wrong or has expired."""

    reason = "unauthorized"


class Forbidden(ClusterError):
    """403: the credential is known and may not do this."""

    reason = "forbidden"


class NotFound(ClusterError):
    """404: no such object, or no such kind on this server."""

    reason = "not-found"


class Conflict(ClusterError):
    """409: exists already, or is no longer the version that we read."""

    reason = "conflict"


class Gone(ClusterError):
    """410: the list's or the watch's version is too old; begin again."""

    reason = "gone"


class Throttled(ClusterError):
    """429: too many requests."""

    reason = "throttled"

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after_seconds = retry_after_seconds


class Invalid(ClusterError):
    """400 or 422 from the API server itself: the object or the request is not valid."""

    reason = "invalid"


class RejectedByAdmission(ClusterError):
    """An admission webhook or a native policy said no."""

    reason = "rejected"

    def __init__(
        self, message: str, *, status: int | None = None, webhook: str = "", raw: str = ""
    ) -> None:
        super().__init__(message, status=status)
        self.webhook = webhook
        """The webhook's name, or the native policy's name; empty for the API server's own plugins."""
        self.raw = raw
        """The server's whole text, unchanged."""


class EngineDown(ClusterError):
    """500 `failed calling webhook`: a webhook that must answer did not."""

    reason = "engine-down"

    def __init__(self, message: str, *, status: int | None = None, webhook: str = "") -> None:
        super().__init__(message, status=status)
        self.webhook = webhook


class Malformed(ClusterError):
    """An answer that is not what the protocol promises: rubbish, or cut off."""

    reason = "malformed"


class ServerFailed(ClusterError):
    """Any other 5xx."""

    reason = "server"
