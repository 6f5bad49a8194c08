"""Read one kind of object from a cluster to its last page, decoding item by item.

An item that cannot be decoded is named and skipped; a page that cannot be read ends the kind.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from policies.cluster.gateway import Gateway, Resource

logger = logging.getLogger(__name__)

S = TypeVar("S")

PROBLEM_LIMIT = 200
"""Problems that a run names; beyond it they are only counted."""


class _Named(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Headed(msgspec.Struct):
    metadata: _Named


_HEAD = msgspec.json.Decoder(_Headed)


@dataclass(slots=True)
class Problems:
    """What a run could not read, and why."""

    named: list[dict[str, str]] = field(default_factory=list)
    count: int = 0
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Objects by kind and namespace."""

    def add(self, resource: Resource, item: bytes, reason: str) -> None:
        head = _head(item)
        self.count += 1
        self.skipped[resource.kind, head.namespace] += 1
        if len(self.named) < PROBLEM_LIMIT:
            name = _label(head) or f"unreadable object of {len(item)} bytes"
            self.named.append({"kind": resource.full_name, "object": name, "reason": reason})


@dataclass(frozen=True, slots=True)
class ReadList(Generic[S]):
    """One kind, read to its last page."""

    items: list[S]
    resource_version: str
    """Where a watch goes on; empty when the server gives no version."""


def read_list(
    gateway: Gateway,
    resource: Resource,
    decode: Callable[[bytes], S],
    problems: Problems,
    *,
    on_page: Callable[[], None],
) -> ReadList[S]:
    """Read each object of one kind. Raises ClusterError when a page cannot be read."""
    items: list[S] = []
    version = ""
    for page in gateway.pages(resource):
        # The first page's: what changes while the others are read is told by the watch once more.
        version = version or page.resource_version
        for item in page.items:
            try:
                items.append(decode(printable(item)))
            except (msgspec.MsgspecError, ValueError) as error:
                problems.add(resource, item, str(error))
        on_page()
    return ReadList(items, version)


def printable(item: bytes) -> bytes:
    """Put a sign that every database can hold in the place of NUL."""
    return item.replace(b"\\u0000", b"\\ufffd") if b"\\u0000" in item else item


def _head(item: bytes) -> _Named:
    """Say which object this is, as far as it can be told."""
    try:
        return _HEAD.decode(item).metadata
    except msgspec.MsgspecError:
        return _Named()


def _label(head: _Named) -> str:
    return f"{head.namespace}/{head.name}" if head.namespace else head.name
