"""Plans in words: what an install does where the variant is enforced already."""

from dataclasses import replace

from policies.domain.lifecycle import FlipVerb
from policies.domain.plans import Plan
from policies.queries.plans import SeenPlan
from policies.web.presenters.plans import shown_plan

FIRST = Plan(
    cluster="prod",
    variant="seccomp",
    verb=FlipVerb.INSTALL,
    namespaces=(),
    enforced_before=(),
    enforced_after=(),
    objects=(),
    gates=(),
    verdicts=(),
    audit_namespace="team-b",
)
AGAIN = replace(
    FIRST,
    enforced_before=("team-a",),
    enforced_after=("team-a",),
    revision=2,
    proof_namespaces=("team-a",),
)


def whole(plan: Plan) -> SeenPlan:
    return SeenPlan(plan, plan.digest, is_whole=True, hidden=())


def test_first_install_refuses_nothing() -> None:
    shown = shown_plan(whole(FIRST))

    assert shown.effect.startswith("Nothing is refused.")
    assert shown.proof == "A bad pod is admitted in team-b, with this policy's warning."


def test_install_where_it_is_enforced_says_that_it_counts_at_once_and_is_proven() -> None:
    shown = shown_plan(whole(AGAIN))

    assert shown.effect.startswith("In 1 namespace, where it is enforced, new pods are judged")
    assert shown.proof == (
        "A bad pod is admitted in team-b, with this policy's warning. In team-a, where it is enforced, a bad pod is"
        " refused and a good one is admitted."
    )


def test_install_without_a_namespace_in_audit_is_proven_where_it_is_enforced() -> None:
    shown = shown_plan(whole(replace(AGAIN, audit_namespace="")))

    assert shown.proof.startswith("In team-a, where it is enforced")
