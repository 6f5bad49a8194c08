"""Compares two versions of a profile's text."""

import difflib

MAX_LINES = 5000


class TooLongToCompare(ValueError):
    """One of the texts has so many lines that comparing them would take minutes."""


def text_diff(before: str, after: str) -> tuple[str, ...]:
    """Compare two texts: lines of a unified diff with everything around. Raises TooLongToCompare."""
    old, new = before.splitlines(), after.splitlines()
    longest = max(len(old), len(new))
    if longest > MAX_LINES:
        raise TooLongToCompare(f"A text of {longest:,} lines is too long to compare here.")
    return tuple(difflib.unified_diff(old, new, "before", "after", lineterm="", n=longest))
