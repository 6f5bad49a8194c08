"""Kyverno's wildcards: `*` stands for any text, `?` for one character. Nothing else is special."""

import re
from functools import lru_cache


def matches(pattern: str, text: str) -> bool:
    """Say whether the whole text fits the pattern."""
    return _compiled(pattern).fullmatch(text) is not None


def matches_everything(pattern: str) -> bool:
    """Say whether every name fits the pattern; no name is empty."""
    return pattern in ("*", "?*", "*?", "**")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile(
        "".join(parts.get(letter, re.escape(letter)) for letter in pattern), re.DOTALL
    )
