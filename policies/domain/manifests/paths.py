"""Paths of fields, as findings and decoders write them: `spec.containers[0].name`, `metadata.annotations[a.b/c]`."""

import re
from collections.abc import Iterator

import msgspec

_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]|\[([^\]]*)\]")
_AT = re.compile(r" - at `\$?\.?(.*)`$")


def steps(path: str) -> Iterator[str | int]:
    """Give the keys and indices that lead to a field."""
    for name, index, key in _STEP.findall(path):
        yield int(index) if index else name or key


def place_of(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split what a decoder says into the path of the field and the words about it."""
    text = str(error)
    found = _AT.search(text)
    return (found.group(1), text[: found.start()]) if found else ("", text)


def malformed(error: msgspec.ValidationError) -> str:
    """Say in one sentence what is wrong with an object's form."""
    path, text = place_of(error)
    return f"{path}: {text}." if path else f"{text}."
