"""The two published templates that secprof was made for: every error that a policy shows is named, by the id of each."""

from pathlib import Path

import pytest

from policies.domain.controls import Control
from policies.domain.lint import (
    Document,
    LintFinding,
    Policy,
    Sureness,
    lint,
    read_documents,
    recognise,
)

SEED = Path(__file__).parent / "seed"
SECCOMP, APPARMOR = "seccomp", "apparmor"
BOTH = (SECCOMP, APPARMOR)

NAMED = (
    ("E1", BOTH, "namespace-on-cluster-policy"),
    ("E2", BOTH, "lower-case-action"),
    ("E2", BOTH, "spec-level-action"),
    ("E3", BOTH, "enforce-at-start"),
    ("E4", BOTH, "match-without-any"),
    ("E5", BOTH, "mixed-kinds"),
    ("E5", BOTH, "controllers-not-judged"),
    ("E6", BOTH, "pods-judged-again"),
    ("E8", BOTH, "cronjob-not-judged"),
    ("E9", (SECCOMP,), "init-containers-missed"),
    ("E9", (SECCOMP,), "ephemeral-containers-missed"),
    ("E10", BOTH, "windows-denied"),
    ("E11", BOTH, "nothing-exempt"),
    ("E12", BOTH, "old-generation"),
    ("E13", (SECCOMP,), "pattern-names-no-container"),
    ("E14", (SECCOMP,), "literal-question-key"),
    ("E14", (SECCOMP,), "pattern-never-met"),
    ("E15", (SECCOMP,), "override-unchecked"),
    ("E16", (SECCOMP,), "pod-level-unchecked"),
    ("E16", (SECCOMP,), "init-containers-missed"),
    ("E17", (SECCOMP,), "localhost-without-list"),
    ("E18", (SECCOMP,), "deny-blind-to-kinds"),
    ("E20", (SECCOMP,), "pod-level-unchecked"),
    ("E21", (SECCOMP,), "localhost-without-list"),
    ("E32", (APPARMOR,), "apparmor-annotation-only"),
    ("E33", (APPARMOR,), "controller-annotations"),
    ("E34", (APPARMOR,), "wildcard-annotation-key"),
    ("E35", (APPARMOR,), "apparmor-annotation-required"),
    ("E36", (APPARMOR,), "wildcard-jmespath-key"),
    ("E36", (APPARMOR,), "deny-never-fires"),
    ("E37", (APPARMOR,), "precondition-never-true"),
    ("E37", (APPARMOR,), "deprecated-operator"),
    ("E38", (APPARMOR,), "localhost-contradiction"),
    ("E38", (APPARMOR,), "existence-not-checked"),
    ("E39", (APPARMOR,), "wildcard-annotation-key"),
)
"""Error, the templates that show it, and the lint that names it. E7 is of a template that was half mended, and stands
below; E19 works as it stands; E31 and E35 are what the control means, and its note says so."""


def document(name: str) -> Document:
    (read,) = read_documents((SEED / f"{name}.yaml").read_text(encoding="utf-8")).documents
    return read


def named(name: str, lint_id: str) -> list[LintFinding]:
    return [f for f in lint(document(name).manifest) if f.id == lint_id]


@pytest.mark.parametrize(
    ("error", "name", "lint_id"),
    [(error, name, lint_id) for error, names, lint_id in NAMED for name in names],
)
def test_seed_error_is_named(error: str, name: str, lint_id: str) -> None:
    findings = named(name, lint_id)

    assert findings
    assert all(error in finding.references for finding in findings)


def test_seed_half_mended_match_is_named_too() -> None:
    text = (SEED / "seccomp.yaml").read_text(encoding="utf-8")
    for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        text = text.replace(f"            - {kind}\n", "")
    (read,) = read_documents(text).documents

    findings = {f.id: f for f in lint(read.manifest)}

    assert "E7" in findings["template-path-on-pods"].references
    assert "E7" in findings["deny-never-fires"].references


def test_seed_finding_stands_on_its_line() -> None:
    read = document(SECCOMP)
    lines = (SEED / "seccomp.yaml").read_text(encoding="utf-8").splitlines()

    places = {
        lines[read.line_of(f.steps) - 1].strip() for f in named(SECCOMP, "literal-question-key")
    }

    assert places == {"template?:"}


def test_seed_every_kind_that_the_pattern_denies_is_listed() -> None:
    (finding,) = named(SECCOMP, "pattern-never-met")

    assert "Pod, Deployment, StatefulSet, DaemonSet, Job" in finding.detail


def test_seed_templates_mean_what_they_say_and_are_recognised() -> None:
    seccomp = recognise(Policy(document(SECCOMP).manifest))
    apparmor = recognise(Policy(document(APPARMOR).manifest))

    assert [(i.control, i.sureness) for i in seccomp] == [
        (Control.REQUIRE_SECCOMP, Sureness.CERTAIN),
        (Control.DENY_UNCONFINED_SECCOMP, Sureness.CERTAIN),
    ]
    assert [(i.control, i.sureness) for i in apparmor] == [
        (Control.REQUIRE_APPARMOR, Sureness.CERTAIN),
        (Control.DENY_UNCONFINED_APPARMOR, Sureness.CERTAIN),
        (Control.PROFILE_INSTALLED, Sureness.LIKELY),
    ]
    assert "seccompDefault" in seccomp[0].note
    assert "by default" in apparmor[0].note
