"""Every public action is keyword-only, asks who may do it, and leaves a row in the trail."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "policies" / "actions"
READS = {"exception_previews.preview_exception", "flips.preview", "flips.preview_removal"}
"""Takes an actor and changes nothing."""
INSIDE = {"flips.mark_stale", "starting.supersede_active_rollout", "audit.record"}
"""Steps of another action, which asked already."""

Function = ast.FunctionDef


def functions(module: Path) -> dict[str, Function]:
    tree = ast.parse(module.read_text())
    return {node.name: node for node in tree.body if isinstance(node, Function)}


MODULES = {path.stem: functions(path) for path in sorted(ROOT.glob("*.py"))}


def actions() -> dict[str, Function]:
    """Find the public functions that somebody does: those with an argument `by`."""
    return {
        f"{module}.{name}": node
        for module, found in MODULES.items()
        for name, node in found.items()
        if not name.startswith("_") and "by" in {a.arg for a in node.args.kwonlyargs}
    }


def called(node: Function) -> set[str]:
    """Name what a function calls: `audit.record`, `_create`."""
    return {
        ast.unparse(each.func)
        for each in ast.walk(node)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name | ast.Attribute)
    }


def reaches(module: str, node: Function, wanted: set[str], seen: frozenset[str]) -> bool:
    """Say whether a function, or one that it calls in its own module, calls one of these."""
    names = called(node)
    if names & wanted:
        return True
    inner = MODULES[module]
    return any(
        reaches(module, inner[name], wanted, seen | names) for name in (names - seen) & inner.keys()
    )


def test_actions_are_found_where_they_are() -> None:
    assert {
        "clusters.add_cluster",
        "collection.collect",
        "exception_ends.end",
        "exceptions.approve",
        "flips.approve",
        "rehearsals.request_rehearsal",
        "variants.create_variant",
    } <= set(actions())


@pytest.mark.parametrize("name", sorted(set(actions()) - READS - INSIDE))
def test_action_asks_who_may_and_leaves_a_row(name: str) -> None:
    module, node = name.split(".")[0], actions()[name]

    assert reaches(module, node, {"audit.record"}, frozenset())
    assert reaches(module, node, {"require"}, frozenset())
    assert not node.args.args
    assert "now" in {argument.arg for argument in node.args.kwonlyargs}


@pytest.mark.parametrize("name", sorted(READS))
def test_action_that_only_reads_asks_who_may(name: str) -> None:
    module, node = name.split(".")[0], actions()[name]

    assert reaches(module, node, {"require"}, frozenset())


def test_exceptions_to_the_rule_exist() -> None:
    assert set(actions()) >= READS | INSIDE
