"""Within a transaction an action records last: whoever holds the trail's head must wait for nobody.

Two transactions that take the head and another row in different orders would wait for each other.
"""

import ast

import pytest

from tests.architecture.test_actions import MODULES, called, reaches

RECORD = {"audit.record"}
HARMLESS = {"dispatch.enqueue", "tuple", "list", "len", "str", "sorted"}
"""Calls that take no lock. A task is sent after the transaction."""
OF_TEXT = (".strip", ".join")


def blocks(module: str) -> list[tuple[str, ast.With]]:
    """Find the transactions of a module."""
    return [
        (name, node)
        for name, function in MODULES[module].items()
        for node in ast.walk(function)
        if isinstance(node, ast.With) and any("atomic" in ast.unparse(i) for i in node.items)
    ]


def records(module: str, node: ast.AST) -> bool:
    return reaches(module, ast.Module([node], []), RECORD, frozenset())  # type: ignore[arg-type, list-item]


def waiting(node: ast.AST) -> set[str]:
    """Name the calls of a statement that may wait for a lock."""
    names = called(node) - HARMLESS - RECORD  # type: ignore[arg-type]
    return {name for name in names if not name.endswith(OF_TEXT)}


def late(module: str, body: list[ast.stmt], *, after: bool = False) -> list[str]:
    """Name the statements that may wait for a lock although the head is held by then."""
    found: list[str] = []
    for statement in body:
        if not records(module, statement):
            found += [ast.unparse(statement)] if after and waiting(statement) else []
            continue
        inner = [part for part in _inside(module, statement) if part is not body]
        for part in inner:
            # A loop that records comes to its beginning again.
            again = after or isinstance(statement, ast.For | ast.While)
            found += late(module, part, after=again)
        if not inner and after and waiting(statement):
            found.append(ast.unparse(statement))
        after = True
    return found


def _inside(module: str, statement: ast.stmt) -> list[list[ast.stmt]]:
    """Find the blocks of a statement, or the body of the function of this module that it calls."""
    own = [
        getattr(statement, name)
        for name in ("body", "orelse", "finalbody")
        if getattr(statement, name, None)
    ]
    if own:
        return own
    return [
        MODULES[module][name].body
        for name in sorted(called(statement) & MODULES[module].keys())  # type: ignore[arg-type]
        if records(module, MODULES[module][name])
    ]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_that_may_wait_comes_after_the_record(module: str) -> None:
    found = {name: late(module, block.body) for name, block in blocks(module)}

    assert {name: lines for name, lines in found.items() if lines} == {}


def test_transactions_that_record_are_seen() -> None:
    seen = {
        f"{module}.{name}"
        for module in MODULES
        for name, block in blocks(module)
        if records(module, block)
    }

    assert {"flips.approve", "flips.roll_back", "rollouts._note", "inventory.withdraw_pool"} <= seen


@pytest.mark.parametrize(
    ("source", "is_late"),
    [
        ("row.save()\naudit.record('a')", False),
        ("audit.record('a')\naudit.record('b')", False),
        ("audit.record('a')\ndispatch.enqueue('t')", False),
        ("audit.record('a')\nreturn_value = row", False),
        ("audit.record('a')\nrow.save()", True),
        ("if x:\n    audit.record('a')\n    rows.update()", True),
        ("if x:\n    audit.record('a')\nrows.update()", True),
        ("for row in rows:\n    row.save()\n    audit.record('a')", True),
        ("for row in rows:\n    audit.record('a')", False),
        ("_record('x')\npool.delete()", True),
    ],
)
def test_late_statements_are_recognised(source: str, is_late: bool) -> None:
    assert bool(late("inventory", ast.parse(source).body)) == is_late
