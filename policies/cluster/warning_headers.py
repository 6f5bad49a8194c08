"""The `Warning` headers of an answer (RFC 7234, 5.5), from which Kyverno's verdicts are read."""

import re
from collections.abc import Iterable

# code SP agent SP "text" [SP "date"]; values of one header are parted by commas, which a text may hold too.
_VALUE = re.compile(
    r'[\s,]*\d{3} (?P<agent>\S+) "(?P<text>(?:[^"\\]|\\.)*)"(?: "[^"]*")?', re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def warning_texts(headers: Iterable[str]) -> tuple[str, ...]:
    """Read the texts in order, without code and agent; a header of another form is kept whole."""
    return tuple(text for header in headers for text in _texts(_as_utf8(header)))


def _texts(header: str) -> Iterable[str]:
    position = 0
    while match := _VALUE.match(header, position):
        yield _ESCAPED.sub(r"\1", match["text"])
        position = match.end()
    if rest := header[position:].strip(" ,"):
        yield rest


def _as_utf8(header: str) -> str:
    """Undo that headers are read as Latin-1 while API servers write UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
