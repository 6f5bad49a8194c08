"""One HTTP exchange with an API server, through `kubernetes.client.ApiClient`, as bytes.

The package brings authentication and the shape of requests; TLS, limits and retries are ours.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import ConnectTimeoutError

from policies.cluster.connection import Connection
from policies.cluster.errors import ClusterError, Malformed, Throttled, TimedOut
from policies.cluster.failures import LIBRARY_ERRORS, failure
from policies.cluster.gateway import Traffic
from policies.cluster.pool import pool_for
from policies.cluster.refusals import refusal
from policies.cluster.warning_headers import warning_texts

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_ANSWER_SECONDS = 120.0
"""For one whole answer: a server that sends a byte now and then would hold a worker for ever."""
MAX_LINE_BYTES = 32 * 1024 * 1024
"""Of one event of a watch: etcd holds no object that is longer than a few MB."""
MAX_RETRY_AFTER_SECONDS = 5.0
CONNECT_PAUSES_SECONDS = (0.2, 0.8)
"""Waits before the second and the third try of a read."""

_CHUNK_BYTES = 1024 * 1024

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer."""

    body: bytes
    warnings: tuple[str, ...]


class Transport:
    """Sends requests and counts them. Each failure is a ClusterError."""

    def __init__(
        self,
        connection: Connection,
        *,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = urlsplit(connection.server).netloc
        self._token = connection.token.encode()
        self._timeouts = (connect_timeout_seconds, read_timeout_seconds)
        self._pause = pause
        self._pool = pool_for(connection)
        self._client = _api_client(connection, self._pool)
        self._counting = Lock()
        self._request_count = 0
        self._received_bytes = 0

    def read(self, path: str, query: Query = ()) -> Reply:
        """GET; tries again when no connection came about, and when the server says to wait a little."""
        for pause in CONNECT_PAUSES_SECONDS:
            try:
                return self._exchange("GET", path, query, None)
            except ClusterError as error:
                seconds = _wait_seconds(error, pause)
                if seconds is None:
                    raise
            self._pause(seconds)
        return self._exchange("GET", path, query, None)

    def lines(self, path: str, query: Query, *, read_timeout_seconds: float) -> "LineStream":
        """Open a GET whose answer comes line by line, and wait for its head.

        The stream has a connection of its own and may be read in another thread than this. Raises ClusterError.
        """
        connect, _ = self._timeouts
        try:
            response = self._call(
                "GET", path, query, None, timeouts=(connect, read_timeout_seconds)
            )
            if response.status != HTTPStatus.OK:
                raise refusal(response.status, self._content(response), retry_after="")
        except LIBRARY_ERRORS as error:
            raise failure(error, host=self.host) from error
        return LineStream(response, host=self.host, count=self._count, hide=self._hidden)

    def _count(self, received_bytes: int = 0, *, requests: int = 0) -> None:
        with self._counting:
            self._request_count += requests
            self._received_bytes += received_bytes

    def send(self, method: str, path: str, query: Query, body: dict[str, Any]) -> Reply:
        """POST, PUT or DELETE, exactly once."""
        return self._exchange(method, path, query, body)

    def traffic(self) -> Traffic:
        return Traffic(request_count=self._request_count, received_bytes=self._received_bytes)

    def close(self) -> None:
        self._pool.clear()

    def _exchange(self, method: str, path: str, query: Query, body: dict[str, Any] | None) -> Reply:
        try:
            response = self._call(method, path, query, body, timeouts=self._timeouts)
            content = self._content(response)
        except LIBRARY_ERRORS as error:
            raise failure(error, host=self.host) from error
        warnings = (
            self._hidden(each.encode("latin-1", "replace")).decode("latin-1")
            for each in response.headers.getlist("Warning")
        )
        texts = warning_texts(warnings)
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            retry_after = response.headers.get("Retry-After", "")
            refused = refusal(response.status, content, retry_after=retry_after)
            refused.warnings = texts
            raise refused
        return Reply(body=content, warnings=texts)

    def _call(
        self,
        method: str,
        path: str,
        query: Query,
        body: dict[str, Any] | None,
        *,
        timeouts: tuple[float, float],
    ) -> BaseHTTPResponse:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        # Without auth_settings the client sends no token.
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        self._count(requests=1)
        response: BaseHTTPResponse = self._client.call_api(
            *request, _request_timeout=timeouts
        ).response
        return response

    def _content(self, response: BaseHTTPResponse) -> bytes:
        chunks: list[bytes] = []
        left = MAX_BODY_BYTES
        until = time.monotonic() + MAX_ANSWER_SECONDS
        try:
            while chunk := response.read1(_CHUNK_BYTES, decode_content=True):
                left -= len(chunk)
                if time.monotonic() > until:
                    response.close()
                    raise TimedOut(f"The answer of {self.host} does not come to its end.")
                if left < 0:
                    response.close()
                    raise Malformed(
                        f"The answer of {self.host} is larger than {MAX_BODY_BYTES // 2**20} MB."
                    )
                chunks.append(chunk)
        finally:
            self._count(response.tell())
        return self._hidden(b"".join(chunks))

    def _hidden(self, said: bytes) -> bytes:
        """Take our token out of what the server says, should it repeat it: an answer is stored and shown."""
        return said.replace(self._token, b"***") if self._token else said


class LineStream:
    """The lines of one answer that goes on for a while."""

    def __init__(
        self,
        response: BaseHTTPResponse,
        *,
        host: str,
        count: Callable[[int], None],
        hide: Callable[[bytes], bytes],
    ) -> None:
        self._response = response
        self._host = host
        self._count = count
        self._hide = hide

    def __iter__(self) -> Iterator[bytes]:
        """Yield each whole line without its end. Raises ClusterError when the answer breaks off or makes no sense."""
        rest: list[bytes] = []
        size = 0
        try:
            for chunk in self._response.stream(_CHUNK_BYTES, decode_content=True):
                self._count(len(chunk))
                *whole, last = chunk.split(b"\n")
                for line in whole:
                    yield self._hide(b"".join((*rest, line)))
                    rest, size = [], 0
                rest.append(last)
                size += len(last)
                if size > MAX_LINE_BYTES:
                    raise Malformed(
                        f"A line that {self._host} sends is longer than {MAX_LINE_BYTES // 2**20} MB."
                    )
        except LIBRARY_ERRORS as error:
            raise failure(error, host=self._host) from error

    def close(self) -> None:
        """End the stream; who waits for its next line in another thread is woken by an error."""
        connection = getattr(self._response, "connection", None)
        peer = getattr(connection, "sock", None)
        if peer is not None:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


def _api_client(connection: Connection, pool: PoolManager) -> ApiClient:
    # An empty proxy is none; None would mean the environment's.
    configuration = Configuration(host=connection.server, proxy="", no_proxy="")
    if connection.token:
        configuration.api_key = {"BearerToken": f"Bearer {connection.token}"}
    client = ApiClient(configuration)
    client.user_agent = "secprof"
    client.rest_client.pool_manager = pool
    return client


def _wait_seconds(error: ClusterError, pause: float) -> float | None:
    """How long to wait before another try, None when there should be none."""
    if isinstance(error, Throttled):
        asked = error.retry_after_seconds
        return asked if asked is not None and asked <= MAX_RETRY_AFTER_SECONDS else None
    # NewConnectionError (refused, unknown name) is one of these.
    return pause if isinstance(error.__cause__, ConnectTimeoutError) else None
