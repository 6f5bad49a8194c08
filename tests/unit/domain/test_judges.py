"""Judges: which variants ask the same thing, and how their evidence is named."""

from typing import Any

import pytest

from policies.domain.controls import BASE_CONTROLS
from policies.domain.judges import BASE_JUDGE, Judge, judge_of, usual_judges
from policies.domain.library import Target, VariantSpec
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters

C1_C2 = ["require-seccomp", "deny-unconfined-seccomp"]


def judge(template: str = "seccomp", **stored: Any) -> Judge:
    parameters = Parameters.from_json({"controls": C1_C2, **stored})
    return judge_of(
        VariantSpec(
            name="v",
            template=template,
            target=Target.CLUSTER_POLICY,
            api_version="kyverno.io/v1",
            parameters=parameters,
        )
    )


def test_judge_with_default_parameters_is_named_by_its_controls() -> None:
    assert judge().key == "deny-unconfined-seccomp,require-seccomp"
    assert judge("confined-pods").key == judge().key
    assert (judge().is_plain, judge().tag) == (True, "")


@pytest.mark.parametrize(
    "words",
    [{"message": "Ask us."}, {"seccomp": {"location": "/srv"}}, {"failure_action": "Audit"}],
)
def test_judge_is_the_same_whatever_the_words(words: dict[str, Any]) -> None:
    assert judge(**words).key == judge().key


@pytest.mark.parametrize(
    "changes",
    [
        {"seccomp": {"types": ["RuntimeDefault"]}},
        {"seccomp": {"default": "Localhost:a.json"}},
        {"excluded_namespaces": ["legacy"]},
        {"excluded_labels": [["legacy", ""]]},
        {"kinds": ["Pod"]},
        {"apparmor_annotations": False},
        {"controls": [*C1_C2, "allowed-profiles"]},
        {"controls": [*C1_C2, "profile-installed"]},
    ],
)
def test_judge_with_other_parameters_has_a_name_of_its_own(changes: dict[str, Any]) -> None:
    own = judge(**changes)

    assert own.key.partition("#")[0] == ",".join(sorted(own.controls))
    assert len(own.key.partition("#")[2]) == 10
    assert own.tag == own.key == judge(**changes).key
    assert len(own.key) <= 160


def test_lists_of_profiles_count_for_the_mechanisms_of_the_template_alone() -> None:
    asked = {"controls": [*C1_C2, "allowed-profiles"]}

    assert judge("seccomp", **asked).key != judge("confined-pods", **asked).key


def test_longest_name_fits_its_column() -> None:
    every = [*BASE_CONTROLS, "profile-installed", "allowed-profiles"]

    assert len(judge("confined-pods", controls=every).key) <= 160


def test_judge_says_what_it_leaves_alone() -> None:
    own = judge(excluded_namespaces=["legacy"], kinds=["Deployment"])

    assert own.excludes("legacy")
    assert not own.excludes("shop")
    assert own.reports_on(WorkloadKind.DEPLOYMENT)
    assert own.reports_on(WorkloadKind.POD)
    assert not own.reports_on(WorkloadKind.CRON_JOB)


def test_usual_judges_are_plain_and_each_once() -> None:
    keys = [each.key for each in usual_judges()]

    assert len(keys) == len(set(keys)) == 6
    assert all(each.is_plain for each in (*usual_judges(), BASE_JUDGE))
