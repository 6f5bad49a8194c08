"""Reads JSON as people write it: where each value stands, which keys stand twice, and errors with line and column.

Not a general parser: depth and size are capped, and numbers stay within what JSON documents of Kubernetes hold.
"""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, NoReturn

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 40
MAX_PLACES = 200_000
PLACES_DEPTH = 6
"""Lines are kept down to this depth: a profile has no more, and a hostile document must not fill the memory."""

_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None}


class MalformedJson(ValueError):
    """The text is not JSON; line and column count from 1."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(f"Line {line}, column {column}: {what}.")
        self.what = what
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class JsonText:
    """A document, the line of each value by its path, and the paths of keys that stood twice."""

    value: Any
    lines: dict[str, int]
    twice: tuple[str, ...]

    def line(self, path: str) -> int | None:
        """Find the line of a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["))]
        return self.lines.get(path)


def read_json(text: str) -> JsonText:
    """Read one JSON document. Raises MalformedJson."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise MalformedJson("the text is larger than 1 MiB", 1, 1)
    reader = _Reader(text)
    at = reader.skip(0)
    value, at = reader.value(at, "$", 0)
    at = reader.skip(at)
    if at != len(text):
        reader.fail("there is something after the end of the document", at)
    return JsonText(value, reader.lines, tuple(reader.twice))


@dataclass(slots=True)
class _Reader:
    text: str
    lines: dict[str, int] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaks = [match.start() for match in re.finditer("\n", self.text)]

    def line(self, at: int) -> int:
        return bisect_right(self.breaks, at - 1) + 1

    def place(self, path: str, at: int, depth: int) -> None:
        if depth <= PLACES_DEPTH and len(self.lines) < MAX_PLACES:
            self.lines[path] = self.line(at)

    def fail(self, what: str, at: int) -> NoReturn:
        line = self.line(at)
        start = self.breaks[line - 2] + 1 if line > 1 else 0
        raise MalformedJson(what, line, at - start + 1)

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int, path: str, depth: int) -> tuple[Any, int]:
        if depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} levels inside each other", at)
        self.place(path, at, depth)
        first = self.text[at : at + 1]
        if first == "{":
            return self.mapping(at, path, depth)
        if first == "[":
            return self.sequence(at, path, depth)
        if first == '"':
            return self.string(at)
        return self.word(at) if first.isalpha() else self.number(at)

    def string(self, at: int) -> tuple[str, int]:
        match = _STRING.match(self.text, at)
        if match is None:
            self.fail("a text has no end on its line", at)
        try:
            found: str = json.loads(match.group())
            found.encode()
        except ValueError:
            self.fail("a text holds an escape that stands for no character", at)
        return found, match.end()

    def word(self, at: int) -> tuple[Any, int]:
        word = next((word for word in _WORDS if self.text.startswith(word, at)), None)
        if word is None:
            self.fail("a value was expected; texts stand in double quotes", at)
        return _WORDS[word], at + len(word)

    def number(self, at: int) -> tuple[Any, int]:
        match = _NUMBER.match(self.text, at)
        if match is None:
            is_end = at >= len(self.text)
            self.fail("the text ends too early" if is_end else "a value was expected", at)
        digits = match.group()
        if len(digits) > MAX_DIGITS:
            self.fail("a number is too long", at)
        return (int(digits) if digits.lstrip("-").isdigit() else float(digits)), match.end()

    def mapping(self, at: int, path: str, depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self.skip(at + 1)
        if self.text[at : at + 1] == "}":
            return found, at + 1
        while True:
            if self.text[at : at + 1] != '"':
                self.fail("a key in double quotes was expected", at)
            start = at
            key, at = self.string(at)
            at = self.skip(at)
            if self.text[at : at + 1] != ":":
                self.fail("a colon was expected after the key", at)
            inner = f"{path}.{key[:40]}" if depth < PLACES_DEPTH else path
            if key in found:
                self.twice.append(inner)
            found[key], at = self.value(self.skip(at + 1), inner, depth + 1)
            self.place(inner, start, depth + 1)
            at, is_last = self.next(at, "}")
            if is_last:
                return found, at

    def sequence(self, at: int, path: str, depth: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self.skip(at + 1)
        if self.text[at : at + 1] == "]":
            return found, at + 1
        while True:
            inner = f"{path}[{len(found)}]" if depth < PLACES_DEPTH else path
            value, at = self.value(at, inner, depth + 1)
            found.append(value)
            at, is_last = self.next(at, "]")
            if is_last:
                return found, at

    def next(self, at: int, end: str) -> tuple[int, bool]:
        at = self.skip(at)
        sign = self.text[at : at + 1]
        if sign == end:
            return at + 1, True
        if sign != ",":
            self.fail(f"a comma or {end} was expected", at)
        after = self.skip(at + 1)
        if self.text[after : after + 1] == end:
            self.fail("there is a comma after the last item", at)
        return after, False
