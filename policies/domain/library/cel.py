"""How values of parameters become CEL, and how parts of a policy find the variables that they use."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

EXPRESSION_LIMIT = 100_000
"""Code points; the API server refuses a longer expression."""

_USED = re.compile(r"\bvariables\.([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Variable:
    """One named expression; it may use those that stand before it."""

    name: str
    expression: str


def quoted(text: str) -> str:
    """Write a text as a CEL string."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    # Kyverno's autogen rewrites these words wherever they stand, so in a text they must not stand as they are.
    return f"'{escaped.replace('object.', 'object' + chr(92) + 'u002e')}'"


def listed(texts: Iterable[str]) -> str:
    """Write texts as a CEL list, one a line, so that a diff shows what came or went."""
    lines = ",\n".join(f"  {quoted(text)}" for text in texts)
    return f"[\n{lines}\n]" if lines else "[]"


def needed(expressions: Iterable[str], variables: Iterable[Variable]) -> tuple[Variable, ...]:
    """Pick the variables that these expressions use, and those that they use in turn, in order."""
    known = tuple(variables)
    used = {name for expression in expressions for name in _USED.findall(expression)}
    for variable in reversed(known):
        if variable.name in used:
            used.update(_USED.findall(variable.expression))
    return tuple(variable for variable in known if variable.name in used)
