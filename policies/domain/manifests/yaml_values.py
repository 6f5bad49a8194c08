"""Values from the events of a YAML parser: each keeps its line, and nothing can grow without bounds.

Words mean what Kubernetes takes them for: no dates, no numbers to the base of sixty. Keys are texts, and none may
stand twice.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from policies.domain.manifests.records import NotUnderstood

DEEPEST = 200
"""Levels."""
MOST_COPIES = 1_000_000
"""Values that the aliases of a document may stand for, all in all."""

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"[-+]?(?:[1-9][0-9_]*|0(?:[xX][0-9a-fA-F]+|[oO]?[0-7]+|[bB][01]+)?)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"([-+]?)0([0-7]+)")
_LONGEST_NUMBER = 40
_STANDARD = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset(_STANDARD + name for name in ("str", "binary", "timestamp")) | {"!"}
_VALUE_TAGS = frozenset(_STANDARD + name for name in ("int", "float", "bool", "null"))
_MAP_TAG, _LIST_TAG = _STANDARD + "map", _STANDARD + "seq"
_MERGE = "<<"

Places = dict[int, "dict[str, int] | list[int]"]
"""The line of each key or item, by the identity of its map or list."""


@dataclass(slots=True)
class Built:
    """One document."""

    value: Any
    line: int
    places: Places


@dataclass(slots=True)
class _Frame:
    """A map or a list that is not complete yet."""

    value: Any
    line: int
    anchor: str | None
    places: Any
    size: int = 1
    key: str | None = None
    key_line: int = 0
    merged: list[Any] = field(default_factory=list)


class Builder:
    """Takes the events of one stream; after the end of each document `built` is that document."""

    def __init__(self, line: int) -> None:
        self._first = line
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._copies = 0
        self._take: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._start,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._open_map,
            yaml.SequenceStartEvent: self._open_list,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
        }
        self.built = Built(None, line, {})

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            NotUnderstood: a key twice, a key that is no text, an unknown tag, too deep, too many copies.
        """
        handle = self._take.get(type(event))
        if handle is not None:
            handle(event)

    def _line(self, event: yaml.Event) -> int:
        return self._first + (event.start_mark.line if event.start_mark else 0)

    def _start(self, event: yaml.DocumentStartEvent) -> None:
        self._anchors.clear()
        self._copies = 0
        self.built = Built(None, self._line(event), {})

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        frame = self._stack[-1] if self._stack else None
        line = self._line(event)
        if frame is not None and isinstance(frame.value, dict) and frame.key is None:
            frame.key, frame.key_line = event.value, line
            if event.anchor:
                self._anchors[event.anchor] = (event.value, 1)
            return
        self._put(_value(event, line), line, 1, event.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line = self._line(event)
        # An anchor is known once its value is complete, so that none can hold itself.
        if event.anchor not in self._anchors:
            raise NotUnderstood(f"The alias *{event.anchor} stands for nothing before it.", line)
        value, size = self._anchors[event.anchor]
        self._copies += size
        if self._copies > MOST_COPIES:
            raise NotUnderstood(
                f"Aliases stand for more than {MOST_COPIES} values: write them out, or split the file.",
                line,
            )
        self._put(value, line, size, None)

    def _open_map(self, event: yaml.MappingStartEvent) -> None:
        self._open(event, _Frame({}, self._line(event), event.anchor, {}), _MAP_TAG)

    def _open_list(self, event: yaml.SequenceStartEvent) -> None:
        self._open(event, _Frame([], self._line(event), event.anchor, []), _LIST_TAG)

    def _open(self, event: Any, frame: _Frame, tag: str) -> None:
        if event.tag not in (None, "!", tag):
            raise NotUnderstood(f"Kubernetes has no tag {event.tag}.", frame.line)
        if len(self._stack) >= DEEPEST:
            raise NotUnderstood(f"The YAML is nested deeper than {DEEPEST} levels.", frame.line)
        self._stack.append(frame)

    def _close(self, _: yaml.Event) -> None:
        frame = self._stack.pop()
        for source in frame.merged:
            lines = self.built.places.get(id(source), {})
            for key, value in source.items():
                if key not in frame.value:
                    frame.value[key] = value
                    frame.places[key] = lines[key]
        self.built.places[id(frame.value)] = frame.places
        self._put(frame.value, frame.line, frame.size, frame.anchor)

    def _put(self, value: Any, line: int, size: int, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._stack:
            self.built.value, self.built.line = value, line
            return
        frame = self._stack[-1]
        frame.size += size
        if isinstance(frame.value, list):
            frame.value.append(value)
            frame.places.append(line)
        else:
            self._enter(frame, value, line)

    def _enter(self, frame: _Frame, value: Any, line: int) -> None:
        key, frame.key = frame.key, None
        if key is None:
            if not isinstance(value, str):
                raise NotUnderstood("A key is no text.", line)
            frame.key, frame.key_line = value, line
        elif key == _MERGE:
            frame.merged += _merges(value, line)
        elif key in frame.value:
            raise NotUnderstood(f"The key {key!r} stands twice.", frame.key_line)
        else:
            frame.value[key] = value
            frame.places[key] = frame.key_line


def _merges(value: Any, line: int) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in found):
        raise NotUnderstood("What is merged with << is no map.", line)
    return found


def _value(event: yaml.ScalarEvent, line: int) -> Any:
    text: str = event.value
    if event.tag is None:
        return _plain(text) if event.implicit[0] else text
    if event.tag in _TEXT_TAGS:
        return text
    if event.tag in _VALUE_TAGS:
        return _plain(text)
    raise NotUnderstood(f"Kubernetes has no tag {event.tag}.", line)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-." or len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(_OCTAL.sub(r"\g<1>0o\2", text) if _OCTAL.fullmatch(text) else text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text
