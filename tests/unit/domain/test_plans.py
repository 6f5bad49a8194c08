"""Plans: what the digest covers, what counts as moved, and what people read."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from policies.domain.lifecycle import FlipVerb
from policies.domain.plans import (
    ABSENT,
    GateAnswer,
    Plan,
    PlannedObject,
    canonical_json,
    gate_answers,
    gates_away,
    object_diff,
    what_moved,
)
from policies.domain.readiness import Gate, GateId, GateOutcome, NamespaceVerdict, Verdict

AUDIT = PlannedObject(
    verb="keep",
    kind="ClusterPolicy",
    api_version="kyverno.io/v1",
    name="seccomp",
    role="audit",
    before={"a": 1},
    after={"a": 1},
    wanted={"a": 1},
    before_digest="d1",
    after_digest="d1",
    warnings=("deprecated",),
)
TWIN = replace(
    AUDIT,
    verb="create",
    name="seccomp-enforce",
    role="twin",
    before=None,
    before_digest=ABSENT,
    after_digest="d2",
)
PASSING = GateAnswer("team-a", "posture", "pass", 0, "All meet it.")
OPEN = GateAnswer("team-a", "rehearsal", "unknown", None, "Not rehearsed yet.")
PLAN = Plan(
    cluster="prod",
    variant="seccomp",
    verb=FlipVerb.ENFORCE,
    namespaces=("team-a",),
    enforced_before=(),
    enforced_after=("team-a",),
    objects=(AUDIT, TWIN),
    gates=(PASSING, OPEN),
    verdicts=(("team-a", "unknown"),),
    audit_namespace="team-b",
)


def test_plan_through_json_is_the_same() -> None:
    stored = json.loads(json.dumps(PLAN.to_json()))

    assert Plan.from_json(stored) == PLAN
    assert Plan.from_json(stored).digest == PLAN.digest


def test_plan_names_its_changes_and_open_gates() -> None:
    assert PLAN.changes == (TWIN,)
    assert PLAN.open_gates == (OPEN,)


@pytest.mark.parametrize(
    ("verb", "names", "title"),
    [
        (FlipVerb.INSTALL, (), "Install seccomp in Audit on prod"),
        (FlipVerb.ENFORCE, ("a",), "Enforce seccomp in a on prod"),
        (FlipVerb.ROLLBACK, tuple("abcdef"), "Roll back seccomp in a, b, c, d and 2 more on prod"),
    ],
)
def test_title_says_the_plan_in_words(verb: FlipVerb, names: tuple[str, ...], title: str) -> None:
    assert replace(PLAN, verb=verb, namespaces=names, enforced_after=names).title == title


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": "staging"},
        {"variant": "other"},
        {"verb": FlipVerb.ROLLBACK},
        {"namespaces": ("team-b",)},
        {"enforced_after": ("team-a", "team-c")},
        {"objects": (AUDIT,)},
        {"objects": (AUDIT, replace(TWIN, before_digest="d9"))},
        {"objects": (AUDIT, replace(TWIN, after_digest="d9"))},
        {"objects": (AUDIT, replace(TWIN, verb="replace"))},
        {"gates": (PASSING, replace(OPEN, gate="posture"))},
        {"gates": (PASSING,)},
    ],
)
def test_digest_covers_what_is_approved(changes: dict[str, Any]) -> None:
    assert replace(PLAN, **changes).digest != PLAN.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"gates": (PASSING, replace(OPEN, number=7, sentence="Other words."))},
        {"audit_namespace": "team-c"},
        {"verdicts": ()},
        {"objects": (AUDIT, replace(TWIN, warnings=("something",)))},
    ],
)
def test_digest_leaves_out_what_moves_all_the_time(changes: dict[str, Any]) -> None:
    assert replace(PLAN, **changes).digest == PLAN.digest


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({}, ()),
        ({"gates": (PASSING,)}, ()),
        (
            {"gates": (replace(PASSING, outcome="fail", sentence="One fails."), OPEN)},
            ("team-a: the gate posture does not pass any more. One fails.",),
        ),
        (
            {"objects": (replace(AUDIT, before_digest="d9", after_digest="d9"), TWIN)},
            ("ClusterPolicy seccomp on the cluster was changed.",),
        ),
        (
            {"objects": (AUDIT, replace(TWIN, after_digest="d9"))},
            ("The server would now store ClusterPolicy seccomp-enforce differently.",),
        ),
        (
            {"objects": (AUDIT,)},
            ("ClusterPolicy seccomp-enforce is no longer part of the plan.",),
        ),
        (
            {"objects": (AUDIT, TWIN, replace(TWIN, name="seccomp-enforce-2"))},
            ("ClusterPolicy seccomp-enforce-2 is now part of the plan.",),
        ),
    ],
)
def test_what_moved_says_each_difference(changes: dict[str, Any], moved: tuple[str, ...]) -> None:
    assert what_moved(PLAN, replace(PLAN, **changes)) == moved


def test_gate_answers_are_sorted_by_namespace() -> None:
    gate = Gate(GateId.POSTURE, GateOutcome.FAIL, 2, "Two fail.")
    verdicts = [NamespaceVerdict(name, Verdict.BLOCKED, (gate,)) for name in ("b", "a")]

    assert gate_answers(verdicts) == (
        GateAnswer("a", "posture", "fail", 2, "Two fail."),
        GateAnswer("b", "posture", "fail", 2, "Two fail."),
    )


POLICY = {
    "apiVersion": "kyverno.io/v1",
    "kind": "ClusterPolicy",
    "metadata": {"name": "p", "uid": "u", "resourceVersion": "7", "managedFields": [1]},
    "spec": {"rules": [{"match": {"any": []}, "name": "r", "message": "one\ntwo"}]},
    "status": {"ready": True},
}


def test_object_diff_shows_the_change_without_bookkeeping() -> None:
    after = json.loads(json.dumps(POLICY))
    after["metadata"]["resourceVersion"] = "8"
    after["spec"]["rules"][0]["message"] = "one\ntwo\nthree"

    lines = object_diff(POLICY, after)

    assert [line for line in lines if line[0] in "+-"][2:] == ["+      three"]
    assert not [line for line in lines if "resourceVersion" in line or "managedFields" in line]


@pytest.mark.parametrize(("before", "after", "sign"), [(None, POLICY, "+"), (POLICY, None, "-")])
def test_object_diff_of_a_new_or_removed_object_is_all_of_it(
    before: dict[str, Any] | None, after: dict[str, Any] | None, sign: str
) -> None:
    lines = object_diff(before, after)[3:]

    assert lines
    assert {line[0] for line in lines} == {sign}


def test_object_diff_of_equal_objects_is_empty() -> None:
    shuffled = dict(reversed(list(POLICY.items())))

    assert object_diff(POLICY, shuffled) == ()
    assert object_diff(None, None) == ()


@pytest.mark.parametrize(
    ("make", "written"),
    [
        (lambda: {"b": 1, "a": "ä"}, '{"a":"ä","b":1}'),
        (lambda: {"a": "ä", "b": 1}, '{"a":"ä","b":1}'),
        (lambda: ("x", [1]), '["x",[1]]'),
    ],
)
def test_canonical_json_is_the_same_for_the_same_content(
    make: Callable[[], object], written: str
) -> None:
    assert canonical_json(make()) == written.encode()


def test_plan_of_before_there_were_revisions_reads_as_that_of_the_first() -> None:
    stored = PLAN.to_json()
    del stored["revision"], stored["proof_namespaces"]

    assert Plan.from_json(stored) == PLAN


@pytest.mark.parametrize(
    ("enforced", "title"),
    [
        ((), "Install revision 3 of seccomp in Audit on prod"),
        (("a",), "Install revision 3 of seccomp on prod"),
    ],
)
def test_install_of_other_parameters_names_its_revision(
    enforced: tuple[str, ...], title: str
) -> None:
    plan = replace(PLAN, verb=FlipVerb.INSTALL, revision=3, enforced_after=enforced)

    assert plan.title == title


def test_other_parameters_are_another_plan_and_have_moved() -> None:
    fresh = replace(PLAN, revision=2)

    assert fresh.digest != PLAN.digest
    assert what_moved(PLAN, fresh) == ("The parameters are those of revision 2 now, not of 1.",)


@pytest.mark.parametrize("gate", ["engine", "contact"])
def test_gate_that_may_pass_again_in_a_moment_voids_no_plan(gate: str) -> None:
    away = GateAnswer("team-a", gate, "fail", None, "Engine down.")
    fresh = replace(PLAN, gates=(*PLAN.gates, away))

    assert what_moved(PLAN, fresh) == ()
    assert gates_away(PLAN, fresh) == (away,)
    assert gates_away(fresh, fresh) == ()
