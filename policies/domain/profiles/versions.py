"""Compares two versions of a profile's text."""

import difflib

MAX_LINES = 5000


def text_diff(before: str, after: str) -> tuple[str, ...]:
    """Compare two texts: lines of a unified diff with everything around; of very long texts only what is near."""
    old, new = before.splitlines(), after.splitlines()
    longest = max(len(old), len(new))
    context = longest if longest <= MAX_LINES else 3
    lines = difflib.unified_diff(old, new, "before", "after", lineterm="", n=context)
    return tuple(lines)
