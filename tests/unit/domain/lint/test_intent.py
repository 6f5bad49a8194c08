"""Which controls a policy means, how sure that is, and what our template writes instead."""

from typing import Any

import pytest

from policies.domain.controls import Control
from policies.domain.lint import Facts, Policy, Sureness, lint, recognise, suggest
from tests.unit.domain.lint.cases import (
    ALL_LEVELS,
    APPARMOR,
    GOOD_PATTERN,
    OPTIONAL,
    PLAIN,
    annotated,
    but,
    cel,
    deny,
    kyverno,
    rule,
    rules,
)

C1, C2, C3, C4 = (
    Control.REQUIRE_SECCOMP,
    Control.DENY_UNCONFINED_SECCOMP,
    Control.REQUIRE_APPARMOR,
    Control.DENY_UNCONFINED_APPARMOR,
)
CERTAIN, LIKELY, POSSIBLE = Sureness.CERTAIN, Sureness.LIKELY, Sureness.POSSIBLE
UNCONFINED = (
    "{{ request.object.spec.securityContext.seccompProfile.type || '' }}",
    "Equals",
    "Unconfined",
)
OPTIONAL_PATTERN = {
    "spec": {"=(securityContext)": {"=(seccompProfile)": {"type": "RuntimeDefault"}}}
}


def pod_security(level: str, *excluded: str) -> dict[str, Any]:
    exclude = [{"controlName": name} for name in excluded]
    return rules(rule({"podSecurity": {"level": level, "version": "latest", "exclude": exclude}}))


@pytest.mark.parametrize(
    ("manifest", "meant"),
    [
        (
            rules(rule({"message": "A seccomp profile is required", "pattern": GOOD_PATTERN})),
            [(C1, CERTAIN)],
        ),
        (PLAIN, [(C1, LIKELY)]),
        (
            rules(
                rule({"message": "Unconfined seccomp is not allowed", "pattern": OPTIONAL_PATTERN})
            ),
            [(C2, CERTAIN)],
        ),
        (
            rules(rule({"message": "seccomp is required", "pattern": OPTIONAL_PATTERN})),
            [(C2, LIKELY)],
        ),
        (rules(deny(*UNCONFINED)), [(C2, LIKELY)]),
        (
            rules(
                rule({"message": "Seccomp must be unset or set well.", "pattern": OPTIONAL_PATTERN})
            ),
            [(C2, CERTAIN)],
        ),
        (
            rules(
                rule(
                    {
                        "message": "Seccomp: disallowed, must be set (strict).",
                        "pattern": GOOD_PATTERN,
                    }
                )
            ),
            [(C1, CERTAIN)],
        ),
        (
            rules(
                rule({"message": "Seccomp is disallowed, must be set.", "pattern": GOOD_PATTERN})
            ),
            [(C1, LIKELY)],
        ),
        (rules(deny(*UNCONFINED, name="deny-unconfined-seccomp")), [(C2, CERTAIN)]),
        (annotated(APPARMOR), [(C4, LIKELY)]),
        (cel(f"{OPTIONAL}.orValue('RuntimeDefault') != ''"), [(C2, POSSIBLE)]),
        (cel(ALL_LEVELS), [(C1, LIKELY)]),
        (
            but(cel(ALL_LEVELS), "spec/validations/0/message", "A seccomp profile must be set."),
            [(C1, CERTAIN)],
        ),
        (
            but(cel(f"{OPTIONAL} != 'Unconfined'"), "metadata/name", "disallow-unconfined-seccomp"),
            [(C2, CERTAIN)],
        ),
        (
            but(cel("variables.ok"), "spec/validations/0/message", "AppArmor must be set."),
            [(C3, POSSIBLE)],
        ),
        (pod_security("baseline"), [(C2, CERTAIN), (C4, CERTAIN)]),
        (pod_security("restricted", "AppArmor"), [(C1, CERTAIN), (C2, CERTAIN)]),
        (pod_security("restricted", "AppArmor", "Seccomp"), []),
        (rules(rule({"pattern": {"spec": {"=(hostPID)": False}}})), []),
        ({"kind": "Deployment"}, []),
    ],
)
def test_recognise_policy_means(
    manifest: dict[str, Any], meant: list[tuple[Control, Sureness]]
) -> None:
    assert [(i.control, i.sureness) for i in recognise(Policy(manifest))] == meant


NEWEST = kyverno(1, 19, 1)


def suggested(manifest: dict[str, Any], facts: Facts = NEWEST) -> Any:
    policy = Policy(manifest)
    return suggest(policy, recognise(policy), facts)


@pytest.mark.parametrize(
    ("manifest", "facts", "kind", "version"),
    [
        (PLAIN, Facts(), "ClusterPolicy", "kyverno.io/v1"),
        (PLAIN, kyverno(1, 16, 3), "ClusterPolicy", "kyverno.io/v1"),
        (PLAIN, kyverno(1, 19, 1), "ValidatingPolicy", "policies.kyverno.io/v1"),
        (cel(ALL_LEVELS), Facts(), "ValidatingPolicy", "policies.kyverno.io/v1"),
        (cel(ALL_LEVELS), kyverno(1, 16, 0), "ValidatingPolicy", "policies.kyverno.io/v1beta1"),
        (cel(ALL_LEVELS), kyverno(1, 15, 2), "ValidatingPolicy", "policies.kyverno.io/v1alpha1"),
    ],
)
def test_suggest_target_follows_the_cluster(
    manifest: dict[str, Any], facts: Facts, kind: str, version: str
) -> None:
    found = suggested(manifest, facts)

    assert (found.spec.target, found.spec.api_version) == (kind, version)
    (audit,) = found.objects
    assert lint(audit.manifest, facts) == ()


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Require_Seccomp", "require-seccomp"),
        ("x-enforce", "x"),
        ("...", "seccomp"),
        ("a" * 60, "a" * 40),
        ("", "seccomp"),
    ],
)
def test_suggest_name_is_one_that_a_variant_takes(name: str, taken: str) -> None:
    assert suggested(but(PLAIN, "metadata/name", name)).spec.name == taken


@pytest.mark.parametrize(
    ("manifest", "template", "controls"),
    [
        (PLAIN, "seccomp", (C1, C2)),
        (rules(deny(*UNCONFINED)), "seccomp", (C2,)),
        (annotated(APPARMOR), "apparmor", (C4,)),
        (pod_security("restricted"), "confined-pods", (C1, C2, C4)),
    ],
)
def test_suggest_template_covers_what_is_meant(
    manifest: dict[str, Any], template: str, controls: tuple[Control, ...]
) -> None:
    spec = suggested(manifest).spec

    assert (spec.template, spec.controls) == (template, controls)


def test_suggest_policy_about_something_else_has_nothing() -> None:
    assert suggested(rules(rule({"pattern": {"spec": {"=(hostPID)": False}}}))) is None
