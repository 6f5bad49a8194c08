"""Patterns for the names and paths of Localhost profiles: `*` stays within a folder, `**` crosses folders.

A pattern is a regular expression in the words that Python and RE2 share, so that CEL says the same as this module.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

LONGEST_VALUE = 253
"""A longer value matches nothing; that bounds what an expression may cost."""

_WILDCARD = re.compile(r"\*\*|\*")
_SPECIAL = re.compile(r"([.+])")


def matches(pattern: str, value: str) -> bool:
    """Say whether the whole value fits the pattern."""
    return matches_any((pattern,), value)


def matches_any(patterns: Iterable[str], value: str) -> bool:
    """Say whether the whole value fits one of the patterns; none fits when there are none."""
    if len(value) > LONGEST_VALUE:
        return False
    compiled = _compiled(tuple(patterns))
    return compiled is not None and compiled.search(value) is not None


def expression_of(patterns: Iterable[str]) -> str:
    """Write patterns as one regular expression that is anchored at both ends; empty when there are none."""
    each = [_expression(pattern) for pattern in patterns]
    # `\z` and `\Z` are not spelt alike in Python and RE2; `$` alone would let a newline follow in Python.
    return rf"(?s)^(?:{'|'.join(each)})$" if each else ""


def _expression(pattern: str) -> str:
    """Write one pattern; what `Parameters` lets in holds no other special character than a dot and a plus."""
    found = []
    at = 0
    for wildcard in _WILDCARD.finditer(pattern):
        found.append(_SPECIAL.sub(r"[\1]", pattern[at : wildcard.start()]))
        found.append(".*" if wildcard.group() == "**" else "[^/]*")
        at = wildcard.end()
    return "".join((*found, _SPECIAL.sub(r"[\1]", pattern[at:])))


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    expression = expression_of(patterns)
    return re.compile(expression.removesuffix("$") + r"\Z") if expression else None
