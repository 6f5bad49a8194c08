"""What a condition is worth before any request came: keys that are constant, and the verdict they force.

Only what is certain: everything that depends on the object is None.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.domain.lint.policy import CONTROLLERS
from policies.domain.lint.reading import Steps, items, mapping, mappings, word

LONGEST = 1000
"""Characters of what is compared with wildcards."""

_QUOTED = re.compile(r"['\"`]([^'\"`]*)['\"`]")
_QUOTED_WILDCARD = re.compile(r"\\?\"[^\"\\]*[*?][^\"\\]*\\?\"")
_PLAIN_PATH = re.compile(r"request\.(?:object|oldObject)\.spec\.([A-Za-z]+)\b")

_NEVER_ON_POD = ("template", "jobTemplate")
_NEVER_ON_CONTROLLER = ("containers", "initContainers", "ephemeralContainers", "securityContext")


def has_quoted_wildcard(text: str) -> bool:
    """Say whether a JMESPath expression in the text has a wildcard inside a quoted key."""
    return any(_QUOTED_WILDCARD.search(inner) for inner in expressions_in(text))


def expressions_in(text: str) -> tuple[str, ...]:
    """Give what stands between the braces of a text."""
    # By hand: an expression would look for the end of each of a million open braces.
    found = []
    at = text.find("{{")
    while at >= 0 and (end := text.find("}}", at + 3)) >= 0:
        found.append(text[at + 2 : end])
        at = text.find("{{", end + 2)
    return tuple(found)


def constant(key: object, kind: str) -> str | None:
    """Give the value that a condition's key has for every object of a kind, if it has one."""
    if not isinstance(key, str):
        return None
    if "{{" not in key:
        return key
    whole = key.strip()
    if not (whole.startswith("{{") and whole.endswith("}}")):
        return None
    path, _, otherwise = whole[2:-2].partition("||")
    default = _QUOTED.fullmatch(otherwise.strip())
    if default is None or not _never_there(path.strip(), kind):
        return None
    return default[1]


def _never_there(path: str, kind: str) -> bool:
    if "||" in path or "(" in path:
        return False  # more than a path
    if _QUOTED_WILDCARD.search(path):
        return True
    found = _PLAIN_PATH.match(path.strip())
    if found is None:
        return False
    absent = {"Pod": _NEVER_ON_POD, **dict.fromkeys(CONTROLLERS, _NEVER_ON_CONTROLLER)}
    return found.group(1) in absent.get(kind, ())


def holds(conditions: object, kind: str) -> bool | None:
    """Say whether conditions (a list, or `any` and `all`) hold for every object of a kind, for none, or neither."""
    if isinstance(conditions, list):
        return _all([_one(c, kind) for _place, c in mappings(conditions)])
    grouped = mapping(conditions)
    verdicts: list[bool | None] = []
    if items(grouped.get("any")):
        verdicts.append(_any([_one(c, kind) for _place, c in mappings(grouped["any"])]))
    if items(grouped.get("all")):
        verdicts.append(_all([_one(c, kind) for _place, c in mappings(grouped["all"])]))
    return _all(verdicts) if verdicts else None


def conditions_in(holder: object, steps: Steps) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """Go through the single conditions of a list, or of `any` and `all`."""
    for place, condition in mappings(holder):
        yield (*steps, place), condition
    grouped = mapping(holder)
    for quantifier in ("any", "all"):
        for place, condition in mappings(grouped.get(quantifier)):
            yield (*steps, quantifier, place), condition


def _any(verdicts: list[bool | None]) -> bool | None:
    if True in verdicts:
        return True
    return None if None in verdicts or not verdicts else False


def _all(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


_AMONG = ("Equals", "Equal", "In", "AnyIn", "AllIn")
_NOT_AMONG = ("NotEquals", "NotEqual", "NotIn", "AnyNotIn", "AllNotIn")


def _one(condition: Mapping[str, Any], kind: str) -> bool | None:
    key = constant(condition.get("key"), kind)
    wanted = _plain(condition.get("value"))
    if key is None or wanted is None:
        return None
    if max(map(len, (key, *wanted))) > LONGEST:
        return None  # no value of a field is that long, and patterns take long to compare
    operator = word(condition.get("operator"))
    is_among = any(fnmatchcase(key, w) or fnmatchcase(w, key) for w in wanted)
    if operator in _AMONG:
        return is_among
    if operator in _NOT_AMONG:
        return not is_among
    return None


def _plain(value: object) -> tuple[str, ...] | None:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(v, str) and "{{" not in v for v in values):
        return None
    return tuple(values)
