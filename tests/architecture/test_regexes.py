"""No regular expression of the product takes for ever: each is run on hostile texts of two lengths."""

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import policies

LENGTH = 800
PATIENCE_SECONDS = 0.25
"""For a text of that length. What grows with its cube takes ten times as long, what grows exponentially never ends."""
UNITS = (
    " ",
    "a",
    "0",
    ".",
    "-",
    "/",
    "{",
    "(",
    '"',
    "'",
    "\\",
    "\n",
    ",",
    "a ",
    "a.",
    "a-",
    "{{ ",
    "a=",
    " ||",
    "a,b ",
)
HEADS = ("", "{{", '"', "a", "/", "Policy a failed: ")


def expressions() -> Iterator[tuple[str, "re.Pattern[str] | re.Pattern[bytes]"]]:
    """Find every compiled expression that a module of the product holds."""
    for module in pkgutil.walk_packages(policies.__path__, "policies."):
        if ".migrations." in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", value


FOUND = dict(expressions())


def test_expressions_are_found() -> None:
    assert len(FOUND) > 80


@pytest.mark.parametrize("name", sorted(FOUND))
def test_expression_ends_soon_on_hostile_text(name: str) -> None:
    expression = FOUND[name]
    for head in HEADS:
        for unit in UNITS:
            text = head + unit * (LENGTH // len(unit)) + "\x01"
            said = text.encode() if isinstance(expression.pattern, bytes) else text
            began = time.process_time()
            expression.search(said)  # type: ignore[arg-type]
            expression.fullmatch(said)  # type: ignore[arg-type]
            assert time.process_time() - began < PATIENCE_SECONDS, (head, unit)
