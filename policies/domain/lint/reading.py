"""Safe looks into a manifest that may be odd in every place: a value of the wrong type counts as absent."""

from collections.abc import Iterator, Mapping
from typing import Any

Steps = tuple[str | int, ...]
"""Where something stands in a manifest: keys and indexes from the top."""


def mapping(value: object) -> Mapping[str, Any]:
    """Give the value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[Any]:
    """Give the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def word(value: object) -> str:
    """Give the value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def words(value: object) -> tuple[str, ...]:
    """Give the texts of a list; a lone text counts as a list of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in items(value) if isinstance(item, str))


def mappings(value: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Go through the mappings of a list with their places in it."""
    for place, item in enumerate(items(value)):
        if isinstance(item, Mapping):
            yield place, item


def walk(value: object, steps: Steps = ()) -> Iterator[tuple[Steps, object]]:
    """Go through everything below a value, in the order of the text, the value itself first."""
    yield steps, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from walk(below, (*steps, str(key)))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from walk(below, (*steps, place))


def texts(value: object, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Go through all texts below a value."""
    for at, found in walk(value, steps):
        if isinstance(found, str):
            yield at, found


def keys(value: object, steps: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Go through all keys of mappings below a value; the steps end with the key."""
    for at, _found in walk(value, steps):
        if at != steps and isinstance(at[-1], str):
            yield at, at[-1]


def everything(value: object) -> str:
    """Join all keys and texts below a value, a line each, to search for what is mentioned at all."""
    found: list[str] = []
    for at, inner in walk(value):
        if at and isinstance(at[-1], str):
            found.append(at[-1])
        if isinstance(inner, str):
            found.append(inner)
    return "\n".join(found)


def first_key(value: object, wanted: str, steps: Steps) -> Steps:
    """Find where a key (in an anchor or not) or a text that mentions it stands first; else give `steps`."""
    for at, inner in walk(value, steps):
        if at != steps and isinstance(at[-1], str) and bare(at[-1]) == wanted:
            return at
        if isinstance(inner, str) and wanted in inner:
            return at
    return steps


MESSAGES = ("message", "messageExpression")


def first_read(value: object, wanted: str, steps: Steps) -> Steps | None:
    """Find the first key, or else the first text, that mentions something; what is said in messages does not count."""
    named = (at for at, key in keys(value, steps) if wanted in key)
    told = (at for at, text in texts(value, steps) if wanted in text and at[-1] not in MESSAGES)
    return next(named, None) or next(told, None)


ANCHORS = ("", "<", "X", "+", "=", "^")


def anchor_of(key: str) -> tuple[str | None, str]:
    """Split a pattern's key into the anchor (`=`, `^`, …; empty for a condition; None for no anchor) and the name."""
    stripped = key.strip()
    head, bracket, rest = stripped.partition("(")
    if bracket and head in ANCHORS and rest.endswith(")") and len(rest) > 1:
        return head, rest[:-1]
    return None, key


def bare(key: str) -> str:
    """Give the name of a pattern's key without its anchor."""
    return anchor_of(key)[1]


def written(steps: Steps) -> str:
    """Write steps as a JSON path: `spec.rules[0].match`; keys that need it in quotes."""
    out = ""
    for step in steps:
        if isinstance(step, int):
            out += f"[{step}]"
        elif step.replace("_", "").replace("-", "").isalnum():
            out += f".{step}"
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            out += f'["{quoted}"]'
    return out.removeprefix(".")
