"""Each lint finds its flaw, and does not find it next door; a policy without flaws gives nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.domain.lint import LINTS, Facts, Severity, lint
from tests.unit.domain.lint.cases import (
    APPARMOR,
    CASES,
    PLAIN,
    Case,
    but,
    cel,
    kyverno,
    rule,
    rules,
)

GOLDEN = sorted((Path(__file__).parents[3] / "contract" / "golden").glob("*.yaml"))
NEWEST = Facts(kubernetes=(1, 36, 3), kyverno=(1, 19, 1))
FITTING = {"v1alpha1": kyverno(1, 15, 0), "v1beta1": kyverno(1, 16, 3)}


def found(manifest: dict[str, Any], facts: Facts = NEWEST) -> set[str]:
    return {finding.id for finding in lint(manifest, facts)}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.lint)
def test_lint_flaw_is_found_and_its_neighbour_is_not(case: Case) -> None:
    assert case.lint in found(case.bad, case.facts)
    assert case.lint not in found(case.good, case.good_facts or case.facts)


def test_lint_each_of_the_catalogue_has_a_case_and_an_id_of_its_own() -> None:
    ids = [each.id for each in LINTS]

    assert len(ids) == len(set(ids))
    assert {case.lint for case in CASES} == set(ids)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_lint_our_own_objects_are_clean(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        version = manifest["apiVersion"].rpartition("/")[2]
        for facts in (Facts(), NEWEST, FITTING.get(version, NEWEST)):
            assert lint(manifest, facts) == (), manifest["metadata"]["name"]


def test_lint_worst_comes_first_and_twice_gives_the_same() -> None:
    manifest = but(PLAIN, "spec/rules/0/validate/failureAction", "audit")

    findings = lint(manifest)

    assert [f.severity for f in findings] == sorted(
        (f.severity for f in findings), key=list(Severity).index
    )
    assert lint(manifest) == findings


def test_lint_path_names_the_field_and_the_rule() -> None:
    findings = lint(rules(rule({"pattern": {"spec": {"template?": {"a": "b"}}}})))

    (finding,) = [f for f in findings if f.id == "literal-question-key"]
    assert finding.path == 'spec.rules[0].validate.pattern.spec["template?"]'
    assert finding.rule == "r"


@pytest.mark.parametrize(
    ("facts", "severity"),
    [(Facts(), Severity.INFO), (kyverno(1, 17, 0), Severity.WARNING)],
)
def test_lint_severity_follows_what_is_known_of_the_cluster(
    facts: Facts, severity: Severity
) -> None:
    (finding,) = [f for f in lint(PLAIN, facts) if f.id == "old-generation"]

    assert finding.severity is severity


def test_lint_default_that_the_api_filled_in_is_not_held_against_the_author() -> None:
    pasted = but(
        but(PLAIN, "spec/validationFailureAction", "Audit"),
        "spec/rules/0/validate/failureAction",
        None,
    )
    stored = but(pasted, "metadata/uid", "1")

    assert "spec-level-action" in found(pasted)
    assert "spec-level-action" not in found(stored)


def test_lint_condition_in_cel_null_is_right_for_a_native_policy() -> None:
    native = {
        **cel("oldObject == null"),
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
    }

    assert "old-object-null" not in found(native)


@pytest.mark.parametrize(
    "manifest",
    [{}, {"kind": "Deployment", "apiVersion": "apps/v1"}, {"kind": "MutatingPolicy"}],
)
def test_lint_what_is_no_policy_gives_nothing(manifest: dict[str, Any]) -> None:
    assert lint(manifest) == ()


def test_lint_annotation_that_only_a_message_names_is_not_held_for_read() -> None:
    said = f"Set the field, not {APPARMOR}/name."

    assert "apparmor-annotation-only" not in found(rules(rule({"message": said, "pattern": {}})))
