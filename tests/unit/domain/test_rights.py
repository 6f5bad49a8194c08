"""What a grant allows in all, and the page of the docs that says so."""

import re
from pathlib import Path

import pytest

from policies.domain.authority import (
    ALLOWED,
    EVERYTHING,
    Act,
    Actor,
    Grant,
    Place,
    Role,
    Scope,
    denial,
)
from policies.domain.rights import BREADTH, Breadth, acts_of

DOCS = Path(__file__).parents[3] / "docs" / "rights.md"
SCOPES = {
    Breadth.EVERYTHING: Scope(),
    Breadth.CLUSTER: Scope("prod"),
    Breadth.NAMESPACE: Scope("prod", "shop"),
}
PLACES = {
    Breadth.EVERYTHING: EVERYTHING,
    Breadth.CLUSTER: Place("prod"),
    Breadth.NAMESPACE: Place("prod", "shop"),
}
MINE = {Act.WITHDRAW_FLIP, Act.WITHDRAW_EXCEPTION}


def test_every_act_has_its_roles_and_its_breadth() -> None:
    assert set(BREADTH) == set(ALLOWED) == set(Act)


@pytest.mark.parametrize("breadth", list(Breadth))
@pytest.mark.parametrize("role", list(Role))
def test_acts_of_a_grant_are_those_that_are_not_denied(role: Role, breadth: Breadth) -> None:
    actor = Actor("ada", 1, frozenset({Grant(role, SCOPES[breadth])}))
    asked_by = {act: 1 if act in MINE else 2 for act in Act}

    allowed = {
        act
        for act in Act
        if denial(actor, act, at=PLACES[BREADTH[act]], requested_by_id=asked_by[act]) is None
    }

    assert set(acts_of(role, SCOPES[breadth])) == allowed


def table() -> dict[str, tuple[str, set[str]]]:
    """Read the table of the docs: act, where it is asked for, roles."""
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("| to … |"))
    columns = [cell.strip() for cell in lines[head].strip("|").split("|")][2:]
    found = {}
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        act, where, *marks = (cell.strip() for cell in line.strip("|").split("|"))
        found[act] = (where, {c for c, mark in zip(columns, marks, strict=True) if mark == "●"})
    return found


def test_docs_say_who_may_do_what_and_where() -> None:
    said = table()

    assert said == {act.value: (BREADTH[act].value, set(map(str, ALLOWED[act]))) for act in Act}
    assert list(said) == [act.value for act in Act]


def test_docs_name_every_role() -> None:
    text = DOCS.read_text(encoding="utf-8")

    for role in Role:
        assert re.search(rf"^- \*\*{role}\*\*", text, re.MULTILINE)
