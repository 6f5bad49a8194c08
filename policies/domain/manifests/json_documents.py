"""JSON documents, one after the other: items of a List stay raw until their kind is known to be judged."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from policies.domain.manifests.paths import malformed
from policies.domain.manifests.records import NotUnderstood

Repeated = tuple[str, ...]

_BLANK = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(rb"[ \t\r\n,]*")
_ENOUGH = 64
"""Bytes by which a list is found again."""


class _Head(msgspec.Struct, rename="camel"):
    api_version: Any = ""
    kind: Any = ""
    items: msgspec.Raw = msgspec.Raw()


_HEAD = msgspec.json.Decoder(_Head)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


class JsonObject:
    """One object as its raw bytes; `repeated` are the keys that stand twice somewhere in it."""

    __slots__ = ("_items", "_line", "_raw", "api_version", "kind", "repeated")

    def __init__(self, raw: bytes, line: int, repeated: Repeated) -> None:
        self._raw = raw
        self._line = line
        self.repeated = repeated
        try:
            head = _HEAD.decode(raw)
        except msgspec.ValidationError:
            head = _Head()  # an array, or a value: nothing that could be an object
        self.api_version = head.api_version if isinstance(head.api_version, str) else ""
        self.kind = head.kind if isinstance(head.kind, str) else ""
        self._items = bytes(head.items)

    def items(self) -> tuple["JsonObject", ...]:
        try:
            raw_items = _ITEMS.decode(self._items) if self._items not in (b"", b"null") else []
        except msgspec.ValidationError as error:
            raise NotUnderstood(f"items: {error}.", self._line) from None
        found = tuple(self._placed(raw_items)) if raw_items else ()
        if len(self.repeated) > sum(len(item.repeated) for item in found):
            raise NotUnderstood(f"The key {self.repeated[-1]!r} stands twice.", self._line)
        return found

    def _placed(self, raw_items: list[msgspec.Raw]) -> Iterator["JsonObject"]:
        # Looking for the whole list, or for whole items, would take as long as reading them.
        at, line = self._raw.index(self._items[:_ENOUGH]) + 1, self._line
        line += self._raw.count(b"\n", 0, at)
        for raw_item in raw_items:
            raw = bytes(raw_item)
            between = _BETWEEN.match(self._raw, at)
            start = between.end() if between else at
            line += self._raw.count(b"\n", at, start)
            repeated = _scan(raw.decode(), 0)[0] if self.repeated else ()
            yield JsonObject(raw, line, repeated)
            line += raw.count(b"\n")
            at = start + len(raw)

    def decode(self, shape: type[msgspec.Struct]) -> msgspec.Struct:
        try:
            found: msgspec.Struct = _decoder(shape).decode(self._raw)
        except msgspec.ValidationError as error:
            raise NotUnderstood(malformed(error), self._line) from None
        return found

    def check(self) -> None:
        if self.repeated:
            raise NotUnderstood(f"The key {self.repeated[0]!r} stands twice.", self._line)

    def plain(self) -> Any:
        # Most objects hold no containers at all: look before reading the whole.
        return msgspec.json.decode(self._raw) if b'"containers"' in self._raw else {}

    def line_of(self, _: str) -> int:
        return self._line


def read_json(content: bytes, line: int) -> Iterator[JsonObject | NotUnderstood]:
    """Give the objects of a text; at the first that cannot be read the rest is lost. `line` is that of its beginning."""
    text = content.decode()
    at, counted = _next(text, 0), 0
    while at < len(text):
        line += text.count("\n", counted, at)
        counted = at
        try:
            repeated, end = _scan(text, at)
        except json.JSONDecodeError as error:
            line += text.count("\n", counted, error.pos)
            yield NotUnderstood(f"The JSON cannot be read: {error.msg}.", line)
            return
        except (ValueError, RecursionError):
            yield NotUnderstood("The JSON is nested too deeply, or holds too long a number.", line)
            return
        # Slices of bytes are cheap; other texts are rare and rarely large.
        raw = content[at:end] if len(text) == len(content) else text[at:end].encode()
        try:
            found = JsonObject(raw, line, repeated)
        except msgspec.DecodeError:
            yield NotUnderstood("The JSON cannot be read: a text in it is no Unicode.", line)
            return
        yield found
        at = _next(text, end)


def _scan(text: str, at: int) -> tuple[Repeated, int]:
    """Read one value without keeping it; give the keys that stand twice in some object, and where it ends."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, count in counts.items() if count > 1)

    _, end = json.JSONDecoder(object_pairs_hook=look).raw_decode(text, at)
    return tuple(repeated), end


def _next(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


@cache
def _decoder(shape: type[msgspec.Struct]) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(shape)
