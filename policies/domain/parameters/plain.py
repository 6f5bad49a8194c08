"""Parameters as plain JSON types: what a database column, an annotation or a person's file holds."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from policies.domain.controls import Control, Mechanism, in_order
from policies.domain.objects import WorkloadKind
from policies.domain.parameters.problems import InvalidParameters
from policies.domain.parameters.profiles import ProfileParameters


def changes(record: Any, usual: Any) -> dict[str, Any]:
    """Write what differs from the usual record, as plain JSON types; `controls` stands elsewhere."""
    found: dict[str, Any] = {}
    for one in fields(record):
        value, expected = getattr(record, one.name), getattr(usual, one.name)
        if one.name == "controls" or value == expected:
            continue
        if isinstance(value, ProfileParameters):
            found[one.name] = changes(value, expected)
        elif isinstance(value, tuple):
            found[one.name] = [list(v) if isinstance(v, tuple) else str(v) for v in value]
        else:
            found[one.name] = value
    return found


def read(stored: object) -> dict[str, Any]:
    """Read the values of `Parameters` by name.

    Raises:
        InvalidParameters: a name is unknown, or a value has the wrong type.
    """
    values = _values(stored, "", _SHAPES)
    for mechanism in Mechanism:
        if mechanism.value in values:
            part = _values(values[mechanism.value], f"{mechanism.value}.", _PROFILE_SHAPES)
            values[mechanism.value] = ProfileParameters(**part)
    return values


def _values(stored: object, prefix: str, shapes: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(stored, Mapping):
        raise InvalidParameters(((prefix.rstrip(".") or "parameters", "Write names and values."),))
    problems: list[tuple[str, str]] = []
    values: dict[str, Any] = {}
    for name, value in stored.items():
        if name not in shapes:
            known = ", ".join(shapes)
            problems.append((f"{prefix}{name}", f"There is no such parameter; there are {known}."))
            continue
        try:
            values[name] = shapes[name](value)
        except (TypeError, ValueError) as error:
            problems.append((f"{prefix}{name}", str(error)))
    if problems:
        raise InvalidParameters(tuple(problems))
    return values


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("Write a text.")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("Write true or false.")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise TypeError("Write a list of texts.")
    return tuple(value)


def _maybe_texts(value: object) -> tuple[str, ...] | None:
    return None if value is None else _texts(value)


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping):
        value = list(value.items())
    if not isinstance(value, (list, tuple)):
        raise TypeError("Write labels as `key: value`.")
    pairs = [_texts(pair) for pair in value]
    if not all(len(pair) == 2 for pair in pairs):
        raise ValueError("Write each label as a key and a value.")
    return tuple((pair[0], pair[1]) for pair in pairs)


def _controls(value: object) -> tuple[Control, ...]:
    return in_order(_known(value, Control, "control"))


def _kinds(value: object) -> tuple[WorkloadKind, ...]:
    return tuple(WorkloadKind(kind) for kind in _known(value, WorkloadKind, "kind"))


def _known(value: object, known: type[StrEnum], what: str) -> tuple[str, ...]:
    names = _texts(value)
    for name in names:
        if name not in tuple(known):
            raise ValueError(f"There is no {what} {name!r}; there are {', '.join(known)}.")
    return names


_SHAPES: Mapping[str, Any] = {
    "controls": _controls,
    "failure_action": _text,
    "seccomp": lambda value: value,
    "apparmor": lambda value: value,
    "apparmor_annotations": _flag,
    "excluded_namespaces": _texts,
    "excluded_labels": _labels,
    "kinds": _kinds,
    "message": _text,
}
_PROFILE_SHAPES: Mapping[str, Any] = {
    "types": _texts,
    "allowed": _texts,
    "denied": _texts,
    "default": _text,
    "location": _text,
    "installed": _maybe_texts,
}
