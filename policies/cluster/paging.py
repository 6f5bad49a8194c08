"""One list, page by page, read ahead of whoever is at work on it: the server makes the next pages meanwhile."""

import queue
from collections.abc import Iterator, Sequence
from threading import Thread

import msgspec

from policies.cluster.errors import Malformed
from policies.cluster.gateway import Page
from policies.cluster.transport import Query, Transport


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    following: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: tuple[msgspec.Raw, ...] | None
    """Go writes an empty list as null where nobody took care; a missing key is rubbish."""


_LIST = msgspec.json.Decoder(_List)


class PagedReading:
    """Reads the pages of one list in a thread of its own. Nothing else may use the transport until it ends."""

    def __init__(self, transport: Transport, path: str, asked: Sequence[tuple[str, str]]) -> None:
        self._transport = transport
        self._path = path
        self._asked = list(asked)
        # A token to continue with says of which version the list is.
        self._each = [pair for pair in asked if not pair[0].startswith("resourceVersion")]
        self._read: queue.Queue[Page | Exception] | None = None
        self._is_over = False

    def begin(self, pages_ahead: int = 1) -> None:
        """Start to read; so many pages wait at most until somebody takes them."""
        self._read = queue.Queue(pages_ahead)
        Thread(target=self._run, args=(self._read,), daemon=True).start()

    def pages(self) -> Iterator[Page]:
        """Yield each page. Raises ClusterError."""
        if self._read is None:
            self.begin()
        read = self._read
        try:
            while read is not None:
                found = read.get()
                if isinstance(found, Exception):
                    raise found
                yield found
                if found.last:
                    return
        finally:
            self.end()

    def end(self) -> None:
        """Ask for no further page."""
        self._is_over = True
        if self._read is not None:
            while not self._read.empty():
                self._read.get_nowait()

    def _run(self, read: "queue.Queue[Page | Exception]") -> None:
        query: Query = self._asked
        following = ""
        try:
            while not self._is_over:
                body = self._transport.read(self._path, query).body
                found = decode_list(body, host=self._transport.host)
                if following and found.metadata.following == following:
                    raise Malformed(
                        f"The list that {self._transport.host} sends does not get further."
                    )
                following = found.metadata.following
                read.put(
                    Page(
                        items=tuple(bytes(item) for item in found.items or ()),
                        resource_version=found.metadata.resource_version,
                        last=not following,
                    )
                )
                if not following:
                    return
                query = [*self._each, ("continue", following)]
        except Exception as error:  # noqa: BLE001 - whoever waits for the page is to raise it
            read.put(error)


def decode_list(body: bytes, *, host: str) -> _List:
    """Read one page. Raises Malformed."""
    try:
        return _LIST.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(
            f"The answer of {host} is not the JSON that an API server sends."
        ) from error
