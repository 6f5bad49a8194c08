"""Rights are asked for at a place, and pages see rows through what somebody may see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

POLICIES = Path(__file__).parents[2] / "policies"
ON_EVERYTHING = {"ADD_CLUSTER", "WRITE_PROFILE", "GRANT_ROLES", "EXPORT_TRAIL", "MANAGE_SIGN_IN"}
"""Acts that no place narrows: adding a cluster, the library of profiles, roles, the trail as a whole, sign-ins."""
OF_NO_CLUSTER = {"profiles.py", "profile_editor.py", "actors.py"}
"""Views of what belongs to no cluster, and the reading of grants themselves."""
SIGN_IN = POLICIES / "web" / "sign_in"
"""One's own account: nobody's rights decide about it."""


def calls(path: Path, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


@pytest.mark.parametrize("path", sorted((POLICIES / "actions").glob("*.py")), ids=lambda p: p.stem)
def test_action_says_where(path: Path) -> None:
    for call in calls(path, {"require"}):
        act = ast.unparse(call.args[1]).removeprefix("Act.")
        has_place = "at" in {keyword.arg for keyword in call.keywords}

        assert has_place or act in ON_EVERYTHING, f"line {call.lineno}: where is this done?"


@pytest.mark.parametrize("path", sorted((POLICIES / "web").rglob("*.py")), ids=lambda p: p.stem)
def test_button_asks_where_the_action_asks(path: Path) -> None:
    for call in calls(path, {"permit", "denial"}):
        act = ast.unparse(call.args[1]).removeprefix("Act.")
        has_place = "at" in {keyword.arg for keyword in call.keywords}
        is_passed_on = act == "act"

        assert has_place or is_passed_on or act in ON_EVERYTHING, f"line {call.lineno}: where?"


@pytest.mark.parametrize("path", sorted((POLICIES / "web").rglob("*.py")), ids=lambda p: p.stem)
def test_pages_load_no_rows_past_what_somebody_may_see(path: Path) -> None:
    if path.name in OF_NO_CLUSTER or path.is_relative_to(SIGN_IN):
        return
    loads = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "objects"
        and ast.unparse(node.value)[0].isupper()
    ]

    assert not loads, "take the rows from `seen_by(user)`, or from a query that takes `reach`"
