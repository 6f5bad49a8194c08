"""Every verb that the product writes has words, and no row is so odd that it has none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.domain.lifecycle import RolloutStatus, StepKind
from policies.domain.sign_in import SignInEvent
from policies.queries.trail_events import Event
from policies.web.presenters.trail import sentence
from policies.web.presenters.trail_words import FAMILIES, plain_words, words_of
from tests.unit.domain.trail.test_records import JSON

ACTIONS = Path(__file__).parents[3] / "policies" / "actions"
ENDS = {s.value for s in (RolloutStatus.PROVEN, RolloutStatus.FAILED, RolloutStatus.STALE)}
COMPUTED = {
    ("rollouts", "step.kind"): {kind.value for kind in StepKind},
    ("rollouts", "status.value"): ENDS,
    ("sign_in", "event.value"): {event.value for event in SignInEvent},
}
"""What stands between the braces of a verb that is put together, by module and expression."""
SIGN_INS = {f"SignInEvent.{event.name}.value": event for event in SignInEvent}


class Unresolved(Exception):
    """A verb that cannot be told from the source: name its values in COMPUTED."""


class Module:
    """One file of actions, and the verbs that it records."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.tree = ast.parse(source)
        self.functions = [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef)]

    def verbs(self) -> set[str]:
        return {
            verb
            for function in self.functions
            for call in calls(function, "audit.record")
            for verb in self.values(call.args[0], function)
        }

    def values(self, node: ast.expr, within: ast.FunctionDef) -> set[str]:
        """Find every text that an expression can be."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return {node.value}
        if isinstance(node, ast.IfExp):
            return self.values(node.body, within) | self.values(node.orelse, within)
        if isinstance(node, ast.JoinedStr):
            found = {""}
            for part in node.values:
                inner = part.value if isinstance(part, ast.FormattedValue) else part
                found = {a + b for a in found for b in self.values(inner, within)}
            return found
        if isinstance(node, ast.Name):
            return self.named(node.id, within)
        if known := COMPUTED.get((self.name, ast.unparse(node))):
            return known
        if event := SIGN_INS.get(ast.unparse(node)):
            return {event.value}
        raise Unresolved(f"{self.name}:{node.lineno}: {ast.unparse(node)}")

    def named(self, name: str, within: ast.FunctionDef) -> set[str]:
        """Find what a name stands for: what is assigned to it, or what callers in this file give."""
        assigned = [
            node.value
            for node in ast.walk(within)
            if isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == name for t in node.targets)
        ]
        if assigned:
            return {value for node in assigned for value in self.values(node, within)}
        return {
            value
            for given_by, argument in self.given(name, within)
            for value in self.values(argument, given_by)
        }

    def given(self, name: str, to: ast.FunctionDef) -> Iterator[tuple[ast.FunctionDef, ast.expr]]:
        positions = [a.arg for a in to.args.args]
        found = False
        for function in self.functions:
            for call in calls(function, to.name):
                keywords = {k.arg: k.value for k in call.keywords}
                argument = keywords.get(name) or call.args[positions.index(name)]
                found = True
                yield function, argument
        if not found:
            raise Unresolved(f"{self.name}.{to.name}({name})")


def calls(within: ast.AST, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(within)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def written_verbs() -> list[str]:
    return sorted(
        {
            verb
            for path in ACTIONS.glob("*.py")
            for verb in Module(path.stem, path.read_text(encoding="utf-8")).verbs()
        }
    )


def event(verb: str, **fields: Any) -> Event:
    values: dict[str, Any] = {
        "id": 1,
        "at": None,
        "actor": "operator",
        "cluster": "prod",
        "variant": "require-seccomp",
        "namespaces": ("shop",),
        "flip_id": "",
        "exception_id": "",
        "plan_digest": "",
        "outcome": "ok",
        "message": "",
        "details": {},
        **fields,
    }
    return Event(verb=verb, **values)


@pytest.mark.parametrize("verb", written_verbs())
def test_verb_that_the_product_writes_has_words(verb: str) -> None:
    said = words_of(event(verb))

    assert not said.startswith(plain_words(verb)), f"{verb} has no words in trail_words.py"
    assert re.match(r"[a-z]", said)
    assert "{" not in said


def test_verbs_are_found_in_each_form() -> None:
    found = set(written_verbs())

    assert {
        "flip.approved",
        "rollout.started",
        "rollout.resumed",
        "rollout.prove-neighbour",
        "rollout.stale",
        "inventory.pool_declared",
        "profile.version_added",
        "trail.exported",
    } <= found
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z_-]+)+", verb) for verb in found)


def test_verb_that_cannot_be_told_is_not_passed_over() -> None:
    source = "def f(x):\n    audit.record(x.verb, by=1)\n"

    with pytest.raises(Unresolved, match=r"x\.verb"):
        Module("other", source).verbs()
    with pytest.raises(Unresolved, match=r"other\.f\(verb\)"):
        Module("other", "def f(verb):\n    audit.record(verb)\n").verbs()


@pytest.mark.parametrize(
    ("verb", "fields", "said"),
    [
        ("flip.requested", {}, "asked to enforce require-seccomp in shop on prod"),
        (
            "flip.approved",
            {"namespaces": ()},
            "approved: install require-seccomp in Audit on prod",
        ),
        (
            "rollout.proven",
            {"details": {"asks": "rollback"}},
            "proved the rollback of require-seccomp in shop on prod",
        ),
        (
            "grant.given",
            {"details": {"to": "team-web", "role": "owner", "scope": "shop on prod"}},
            "gave team-web the role owner on shop on prod",
        ),
        (
            "exception.approved",
            {
                "details": {
                    "workloads": [{"kind": "Deployment", "name": "ftp"}],
                    "ends_at": "2027-01-12T23:59:00+00:00",
                }
            },
            "agreed to exempt Deployment ftp in shop from require-seccomp on prod until 12 Jan 2027",
        ),
        (
            "trail.exported",
            {"details": {"format": "csv", "filter": {"cluster": "prod", "actor": "x"}}},
            "exported the audit trail as CSV (actor x, cluster prod)",
        ),
        (
            "trail.exported",
            {"details": {"format": "jsonl", "filter": {}}},
            "exported the audit trail as JSON lines",
        ),
        ("moon.phase_changed", {}, "moon phase changed: require-seccomp on prod"),
        ("flip.eaten", {"cluster": "", "variant": ""}, "flip eaten"),
        ("", {"cluster": "", "variant": ""}, ""),
    ],
)
def test_words_say_what_was_done(verb: str, fields: dict[str, Any], said: str) -> None:
    assert words_of(event(verb, **fields)) == said


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    verb=st.sampled_from(
        [
            *(f"{family}.{rest}" for family in FAMILIES for rest in ("x", "requested")),
            *written_verbs(),
        ]
    )
    | st.text(),
    details=st.dictionaries(
        st.sampled_from(["asks", "filter", "mechanism", "profile", "to", "x"]), JSON
    ),
    namespaces=st.lists(JSON, max_size=5).map(tuple),
    text=st.text(),
)
def test_row_that_somebody_has_made_odd_still_has_words(
    verb: str, details: dict[str, Any], namespaces: tuple[Any, ...], text: str
) -> None:
    odd = event(
        verb,
        details=details,
        namespaces=namespaces,
        cluster=text,
        variant=text,
        flip_id=text,
        exception_id=text,
    )

    said = sentence(odd)

    assert isinstance(said.text, str)
    assert said.flip_id in {"", text.lower()} or len(said.flip_id) == 36
