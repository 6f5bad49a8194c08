"""The bytes of a file as documents: where each begins, in which notation it is written, and what cannot be either."""

import re
from collections.abc import Iterator
from itertools import pairwise

from policies.domain.manifests.json_documents import read_json
from policies.domain.manifests.records import NotUnderstood, Object
from policies.domain.manifests.yaml_documents import read_yaml

LARGEST_YAML = 64 << 20
"""Bytes. A List of many thousand pods is better read as JSON."""

Found = Object | NotUnderstood | None
"""An object, what keeps a document from being one, or an empty document."""

_SEPARATOR = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_PREAMBLE = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)|%[^\n]*(?:\n|\Z))*")
_DASHES = re.compile(rb"---[ \t\r]*(?:\n|\Z)")
_JSON_MAP = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*\"")
_BLANK = re.compile(rb"[ \t\r\n]*")
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_MARK = b"\xef\xbb\xbf"
_TEMPLATE = " It looks like a template, of Helm perhaps: render it first."
# Flow style of YAML begins like JSON; what is larger than this was not written by hand.
_LARGEST_FLOW = 1 << 20


def read_documents(content: bytes) -> Iterator[tuple[int, Found]]:
    """Give each document with its number, from 1."""
    try:
        _check_text(content)
    except NotUnderstood as problem:
        yield 1, problem
        return
    number = 0
    for line, chunk in _chunks(content.removeprefix(_MARK)):
        for found in _read(chunk, line):
            number += 1
            yield number, found


def _check_text(content: bytes) -> None:
    if content.startswith(_WIDE):
        raise NotUnderstood("The file is UTF-16: write it as UTF-8.", 1)
    binary = content.find(b"\0")
    if binary >= 0:
        raise NotUnderstood("The file is binary.", content.count(b"\n", 0, binary) + 1)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotUnderstood("The file is not UTF-8.", line) from None


def _chunks(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Split at the lines of three dashes, each part with the number of its first line.

    So a document that cannot be read does not hide those after it. Comments and directives at the top belong to the
    first document.
    """
    borders = [0, *_borders(content), len(content)]
    if len(borders) > 2 and _PREAMBLE.fullmatch(content, 0, borders[1]):
        del borders[1]
    line = 1
    for begin, end in pairwise(borders):
        yield line, content[begin:end]
        line += content.count(b"\n", begin, end)


def _borders(content: bytes) -> list[int]:
    if b"\n---" not in content:  # a regular expression would look at every byte of a large file
        return []
    return [match.start() for match in _SEPARATOR.finditer(content) if match.start()]


def _read(chunk: bytes, line: int) -> Iterator[Found]:
    dashes = _DASHES.match(chunk)
    body = chunk[dashes.end() :] if dashes else chunk
    start = _BLANK.match(body)
    if start and body[start.end() : start.end() + 1] in (b"{", b"["):
        found = list(read_json(body, line + (1 if dashes else 0)))
        if not isinstance(found[0], NotUnderstood) or len(body) > _LARGEST_FLOW:
            yield from found
            return
        as_yaml = list(_read_yaml(chunk, line))
        yield from found if _is_misread(as_yaml) and _JSON_MAP.match(body) else as_yaml
        return
    yield from _read_yaml(chunk, line)


def _is_misread(found: list[Found]) -> bool:
    return any(isinstance(one, NotUnderstood) for one in found)


def _read_yaml(chunk: bytes, line: int) -> Iterator[Found]:
    if len(chunk) > LARGEST_YAML:
        size = len(chunk) >> 20
        yield NotUnderstood(f"The document has {size} MiB: write it as JSON, or split it.", line)
        return
    for found in read_yaml(chunk, line):
        if isinstance(found, NotUnderstood) and b"{{" in chunk:
            yield NotUnderstood(found.message + _TEMPLATE, found.line)
        else:
            yield found
