"""What keeps a wish for an exception from being asked for: everything that is not exact, bounded and explained."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from policies.domain.controls import Control
from policies.domain.exemptions import ExceptionWish, Exemption, WorkloadName
from policies.domain.library import Target
from policies.domain.objects import WorkloadKind
from policies.domain.wishes import (
    TEXT_LIMIT,
    WORKLOADS_LIMIT,
    draft_problems,
    problems_of,
)

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MOST = timedelta(days=90)
CONTROLS = ("require-seccomp", "deny-unconfined-seccomp")
FTP = WorkloadName(WorkloadKind.DEPLOYMENT, "ftp")
WISH = ExceptionWish(
    variant_id=1,
    namespace="team-a",
    workloads=(FTP,),
    controls=CONTROLS,
    reason="The vendor ships no profile yet.",
    ends_at=NOW + timedelta(days=30),
)


def problems(target: Target = Target.CLUSTER_POLICY, **changes: Any) -> tuple[str, ...]:
    return problems_of(
        replace(WISH, **changes), target=target, controls=CONTROLS, now=NOW, most=MOST
    )


def deployments(*names: str) -> tuple[WorkloadName, ...]:
    return tuple(WorkloadName(WorkloadKind.DEPLOYMENT, name) for name in names)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"workloads": ()}, "Choose at least one workload."),
        ({"workloads": deployments("ftp", "ftp")}, "Deployment ftp: named twice."),
        ({"workloads": deployments("ftp*")}, "'ftp*' is no exact name: signs that stand for"),
        ({"workloads": deployments("ft?")}, "'ft?' is no exact name"),
        ({"workloads": deployments("")}, "'' is no exact name"),
        ({"workloads": deployments("Ftp")}, "'Ftp' is no exact name"),
        ({"workloads": deployments("a" * 254)}, "is no exact name"),
        (
            {"workloads": deployments(*(f"w{n}" for n in range(WORKLOADS_LIMIT + 1)))},
            "Choose at most 50 workloads",
        ),
        (
            {"workloads": (WorkloadName(WorkloadKind.POD_TEMPLATE, "t"),)},
            "PodTemplate t makes no pods by itself",
        ),
        ({"controls": ()}, "Choose at least one control."),
        ({"controls": ("require-apparmor",)}, "The policy has no control require-apparmor."),
        ({"reason": "  "}, "Say why"),
        ({"reason": "x" * (TEXT_LIMIT + 1)}, "The reason is too long: at most 2000"),
        ({"compensating_control": "x" * 2001}, "The compensating control is too long"),
        ({"ticket": "x" * 201}, "The ticket is too long: at most 200"),
        ({"ends_at": None}, "Give an end: no exception lasts for ever."),
        ({"ends_at": NOW}, "has to lie in the future"),
        ({"ends_at": NOW - timedelta(days=1)}, "has to lie in the future"),
        ({"ends_at": NOW + MOST + timedelta(seconds=1)}, "at most 90 days from now"),
    ],
)
def test_wish_that_is_not_exact_bounded_and_explained_is_refused(
    changes: dict[str, Any], says: str
) -> None:
    (said,) = problems(**changes)

    assert says in said


def test_wish_with_every_fault_names_them_all() -> None:
    assert len(problems(workloads=(), controls=(), reason="", ends_at=None)) == 4


@pytest.mark.parametrize("changes", [{}, {"ends_at": NOW + MOST}, {"ticket": ""}])
def test_wish_that_is_right_has_no_problems(changes: dict[str, Any]) -> None:
    assert problems(**changes) == ()


def test_single_controls_can_be_chosen_for_a_cluster_policy_alone() -> None:
    one = {"controls": CONTROLS[:1]}

    assert problems(Target.CLUSTER_POLICY, **one) == ()
    for target in (Target.VALIDATING_POLICY, Target.NATIVE):
        (said,) = problems(target, **one)
        assert f"A {target} cannot be exempted from single controls" in said


def test_draft_needs_its_namespace_and_no_more() -> None:
    assert draft_problems(ExceptionWish(variant_id=1, namespace="team-a")) == ()
    assert draft_problems(ExceptionWish(variant_id=1, namespace="")) == ("Choose a namespace.",)
    assert draft_problems(replace(WISH, namespace="Team A")) == ("Choose a namespace.",)
    assert "too long" in draft_problems(replace(WISH, reason="x" * 3000))[0]


def test_exemption_is_read_back_as_it_was_written() -> None:
    exemption = Exemption(
        key="0123456789ab",
        namespace="team-a",
        workloads=deployments("ftp", "mail"),
        controls=(Control.REQUIRE_SECCOMP,),
        ends_at=NOW,
        approved_by="approver",
        reason="because",
        ticket="OPS-1",
    )

    assert Exemption.from_json(exemption.to_json()) == exemption
