"""Reads pasted text, YAML or JSON, into documents with the line of every field. What is broken is named and stops nothing else.

Text is hostile: no alias is followed, and size, depth and count are bounded before anything is built from it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from policies.domain.lint.reading import Steps

SIZE_LIMIT = 1024 * 1024
"""Bytes of one text: what one object may have on a cluster."""
DEPTH_LIMIT = 64
DOCUMENT_LIMIT = 500
LONGEST_NUMBER = 40

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_CONTENT = re.compile(r"\s*(#.*|%.*)?")
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TAGS = ("null", "bool", "int", "float")


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a text."""

    number: int
    """The document in the text, counted from 1."""
    item: int
    """The place in a List, counted from 1; 0 outside of one."""
    line: int
    manifest: Mapping[str, Any]
    lines: Mapping[Steps, int]
    """The line of each field, by its steps from the top of the object."""

    def line_of(self, steps: Steps) -> int:
        """Give the line of a field; of what holds it, where the field itself does not stand in the text."""
        while steps and steps not in self.lines:
            steps = steps[:-1]
        return self.lines.get(steps, self.line)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a text that was not understood."""

    number: int
    """The document; 0 when the text as a whole is refused."""
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a text holds."""

    documents: tuple[Document, ...]
    troubles: tuple[Trouble, ...]


class _Refused(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class _Built:
    """One document under construction."""

    first_line: int
    lines: dict[Steps, int] = field(default_factory=dict)
    notes: list[tuple[int, str]] = field(default_factory=list)


def read_documents(text: str) -> Reading:
    """Read a text of YAML or JSON documents and Lists."""
    size = len(text.encode(errors="replace"))
    if size > SIZE_LIMIT:
        limit = SIZE_LIMIT // 1024
        return Reading(
            (), (Trouble(0, 1, f"The text is larger than {limit} KiB, and was not read."),)
        )
    chunks = list(_chunks(text.removeprefix("\ufeff")))
    documents: list[Document] = []
    troubles: list[Trouble] = []
    for number, (first_line, chunk) in enumerate(chunks[:DOCUMENT_LIMIT], start=1):
        built = _Built(first_line)
        try:
            documents += _read(number, chunk, built)
        except _Refused as refused:
            troubles.append(Trouble(number, refused.line, refused.message))
        troubles += [Trouble(number, line, message) for line, message in built.notes]
    if len(chunks) > DOCUMENT_LIMIT:
        line = chunks[DOCUMENT_LIMIT][0]
        message = f"Only the first {DOCUMENT_LIMIT} documents were read."
        troubles.append(Trouble(DOCUMENT_LIMIT + 1, line, message))
    return Reading(tuple(documents), tuple(troubles))


def lines_of(text: str) -> list[str]:
    """Cut a text into the lines that documents count by."""
    return text.replace("\r\n", "\n").split("\n")


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """Cut the text at its document markers, so that one broken document leaves the others readable."""
    start = 1
    held: list[str] = []
    for number, line in enumerate(lines_of(text), start=1):
        if line.startswith("---") and (len(line) == 3 or line[3] in " \t"):
            yield from _chunk(start, held)
            start, held = number, [line[3:]]
        elif line.rstrip() == "...":
            held.append("")
        else:
            held.append(line)
    yield from _chunk(start, held)


def _chunk(start: int, held: list[str]) -> Iterator[tuple[int, str]]:
    if any(_NOT_CONTENT.fullmatch(line) is None for line in held):
        yield start, "\n".join("" if line.startswith("%") else line for line in held) + "\n"


def _read(number: int, chunk: str, built: _Built) -> Iterator[Document]:
    if chunk.lstrip().startswith(("{", "[")):
        chunk = chunk.replace("\t", " ")  # YAML takes no tabs where JSON does
    try:
        _guard(chunk, built.first_line)
        node = yaml.compose(chunk, Loader=_Loader)
        value = _value(node, (), built)
    except yaml.YAMLError as error:
        raise _as_refused(error, built.first_line) from error
    if not isinstance(value, dict):
        raise _Refused(built.first_line, "This is no object: a manifest is a mapping of fields.")
    yield from _objects(number, value, built)


def _objects(number: int, value: dict[str, Any], built: _Built) -> Iterator[Document]:
    listed = value.get("items")
    if not (isinstance(listed, list) and str(value.get("kind", "")).endswith("List")):
        yield Document(number, 0, built.lines[()], value, built.lines)
        return
    for place, item in enumerate(listed):
        top = ("items", place)
        if not isinstance(item, dict):
            built.notes.append((built.lines[top], f"Item {place + 1} of the List is no object."))
            continue
        lines = {at[2:]: line for at, line in built.lines.items() if at[:2] == top}
        yield Document(number, place + 1, lines[()], item, lines)


def _guard(chunk: str, first_line: int) -> None:
    """Look through the events, which build nothing, for what must not be built."""
    depth = 0
    for event in yaml.parse(chunk, Loader=_Loader):
        line = first_line + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(
                line, f"It uses the alias *{event.anchor}. Aliases are not followed: write it out."
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise _Refused(line, f"It is nested deeper than {DEPTH_LIMIT} levels.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _value(node: yaml.Node | None, steps: Steps, built: _Built) -> Any:
    if node is None:
        return None
    built.lines.setdefault(steps, built.first_line + node.start_mark.line)
    if isinstance(node, yaml.SequenceNode):
        return [_value(below, (*steps, place), built) for place, below in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, steps, built)
    return _scalar(node)


def _mapping(node: yaml.MappingNode, steps: Steps, built: _Built) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = built.first_line + key_node.start_mark.line
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE:
            raise _Refused(line, "A key of a mapping must be a plain text.")
        key = str(key_node.value)
        if key in held:
            built.notes.append((line, f"The key {key} stands here twice; the last one counts."))
        built.lines[*steps, key] = line
        held[key] = _value(value_node, (*steps, key), built)
    return held


def _scalar(node: yaml.Node) -> Any:
    """Build null, true and numbers; everything else, dates too, stays the text that it is."""
    is_plain = node.tag.rpartition(":")[2] in _PLAIN_TAGS
    # `1:1:1…` is a number in YAML, too, and takes for ever to build.
    if not is_plain or len(node.value) > LONGEST_NUMBER:
        return str(node.value)
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (ValueError, KeyError, yaml.YAMLError):
        return str(node.value)


def _as_refused(error: yaml.YAMLError, first_line: int) -> _Refused:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = (
        getattr(error, "problem", None) or getattr(error, "reason", None) or "it is unreadable"
    )
    line = first_line + mark.line if mark is not None else first_line
    return _Refused(line, f"This is no YAML or JSON: {problem}.")
