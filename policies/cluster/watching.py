"""Several watches at once: what happened to some kinds since a version of each, until nothing more is at hand."""

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import msgspec

from policies.cluster.errors import ClusterError, Gone, Malformed
from policies.cluster.gateway import Change, ChangeKind, Resource, WatchEnded
from policies.cluster.refusals import refusal
from policies.cluster.transport import LineStream, Query, Transport

QUIET_SECONDS = 0.05
"""Once every watch stands and none has said anything for this long, what has happened so far was said: an API server
sends what it holds at once. What it says later is told by the next call, which goes on from the last version. A watch
that has got to what happens now counts as silent: a busy cluster never is."""
SERVER_TIMEOUT_SECONDS = 60
"""After which the API server itself ends a watch, should we be gone without a word."""

_KINDS = {
    "ADDED": ChangeKind.PUT,
    "MODIFIED": ChangeKind.PUT,
    "DELETED": ChangeKind.REMOVED,
    "BOOKMARK": ChangeKind.BOOKMARK,
}


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct):
    metadata: _Meta


class _Status(msgspec.Struct):
    code: int = 0


_EVENT = msgspec.json.Decoder(_Event)
_VERSIONED = msgspec.json.Decoder(_Versioned)
_STATUS = msgspec.json.Decoder(_Status)


class _Stood(msgspec.Struct, frozen=True):
    """A watch got its head: from now on the server says at once what it holds."""

    resource: Resource


class _Watcher(threading.Thread):
    """Reads one watch into the queue that all share."""

    def __init__(
        self,
        transport: Transport,
        resource: Resource,
        path: str,
        version: str,
        said: "queue.SimpleQueue[Change | WatchEnded | _Stood]",
    ) -> None:
        super().__init__(daemon=True, name=f"watch {resource.full_name}")
        self._transport = transport
        self._resource = resource
        self._path = path
        self._version = version
        self._said = said
        self._stream: LineStream | None = None
        self._is_over = False

    def run(self) -> None:
        query: Query = [
            ("watch", "true"),
            ("resourceVersion", self._version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(SERVER_TIMEOUT_SECONDS)),
        ]
        try:
            self._stream = self._transport.lines(
                self._path, query, read_timeout_seconds=SERVER_TIMEOUT_SECONDS + 5
            )
            self._said.put(_Stood(self._resource))
            for line in self._stream:
                self._said.put(read_event(self._resource, line, host=self._transport.host))
        except ClusterError as error:
            if not self._is_over:
                self._said.put(WatchEnded(self._resource, error))

    def end(self) -> None:
        self._is_over = True
        if self._stream is not None:
            self._stream.close()


def watch_all(
    transport: Transport,
    since: Mapping[Resource, tuple[str, str]],
    *,
    now: str,
    limit_seconds: float,
) -> Iterator[Change | WatchEnded]:
    """Yield the changes of some kinds, as `Gateway.changes` says; `since` gives path and version by kind.

    `now` is the version of the server at this moment: what happens after it is not yielded.
    """
    said: queue.SimpleQueue[Change | WatchEnded | _Stood] = queue.SimpleQueue()
    watchers = {
        resource: _Watcher(transport, resource, path, version, said)
        for resource, (path, version) in since.items()
    }
    silent = set(since)
    caught_up: set[Resource] = set()
    until = time.monotonic() + limit_seconds
    for watcher in watchers.values():
        watcher.start()
    try:
        quiet_at = until
        while time.monotonic() < until:
            left = (until if silent else min(quiet_at, until)) - time.monotonic()
            try:
                one = said.get(timeout=max(left, 0))
            except queue.Empty:
                return
            if isinstance(one, Change) and one.resource in caught_up:
                continue
            if isinstance(one, Change) and _is_later(one.resource_version, now):
                caught_up.add(one.resource)
                watchers[one.resource].end()
            elif not isinstance(one, _Stood):
                yield one
            silent.discard(one.resource)
            quiet_at = time.monotonic() + QUIET_SECONDS
    finally:
        for watcher in watchers.values():
            watcher.end()


def _is_later(version: str, now: str) -> bool:
    """Compare two versions, which are numbers on every API server; one that is none is never later."""
    return version.isdecimal() and now.isdecimal() and int(version) > int(now)


def read_event(resource: Resource, line: bytes, *, host: str) -> Change:
    """Read one line of a watch. Raises Gone, or the ClusterError that the event tells of; Malformed."""
    try:
        event = _EVENT.decode(line)
        item = bytes(event.object)
        if event.type == "ERROR":
            code = _STATUS.decode(item).code
            raise refusal(code or HTTPStatus.INTERNAL_SERVER_ERROR, item, retry_after="")
        version = _VERSIONED.decode(item).metadata.resource_version
        kind = _KINDS[event.type]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        raise Malformed(f"What {host} sends in a watch is not what an API server sends.") from error
    if not version:
        raise Gone(f"{host} gives {resource.full_name} no version: they are listed instead.")
    return Change(resource, kind, version, b"" if kind is ChangeKind.BOOKMARK else item)
