"""The failure action as both of Kyverno's readers see it, and who owns a policy."""

from typing import Any

import pytest

from policies.domain.lint import Policy, action_of, owner_of, readings
from tests.unit.domain.lint.cases import CEL, PLAIN, SHOP, SPEC_OVERRIDE, but, native, overridden

AT_POLICY = "spec/validationFailureActionOverrides"
NO_RULE_ACTION = but(PLAIN, "spec/rules/0/validate/failureAction", None)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (PLAIN, "Audit"),
        (but(NO_RULE_ACTION, "spec/validationFailureAction", "enforce"), "Enforce"),
        (overridden(SPEC_OVERRIDE), "Audit; Enforce in shop"),
        (
            overridden({"action": "Audit", "namespaces": ["a", "b", "c"]}, action="Enforce"),
            "Enforce; Audit in a, b and 1 more",
        ),
        (overridden({"action": "Audit", "namespaces": ["shop"]}), "Audit"),
        (overridden({"action": "Enforce", "namespaces": ["team-*"]}), "Audit; Enforce in team-*"),
        (overridden({"action": "Enforce"}), "Enforce"),
        (but(NO_RULE_ACTION, AT_POLICY, [SPEC_OVERRIDE]), "Audit; Enforce in shop"),
        (but(PLAIN, AT_POLICY, [SPEC_OVERRIDE]), "Read in two ways"),
        (overridden({**SPEC_OVERRIDE, "namespaceSelector": SHOP}), "Read in two ways"),
        (overridden({"action": "Enforce", "namespaces": []}), "Read in two ways"),
        (CEL, "Audit"),
        (but(CEL, "spec/validationActions", []), "Deny"),
        (native(), "By its bindings"),
        ({"kind": "Deployment"}, ""),
    ],
)
def test_action_of_policy_says(manifest: dict[str, Any], said: str) -> None:
    assert action_of(Policy(manifest)) == said


def test_readings_that_disagree_name_the_namespace() -> None:
    elsewhere, shop = readings(Policy(but(PLAIN, AT_POLICY, [SPEC_OVERRIDE])))

    assert elsewhere.agree
    assert (shop.namespaces, shop.judged, shop.refused) == ("shop", "Enforce", "Audit")


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({}, ""),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        (
            {"labels": {"app.kubernetes.io/managed-by": "secprof", "secprof.io/variant": "v"}},
            "secprof",
        ),
        (
            {"annotations": {"meta.helm.sh/release-name": "kyverno-policies"}},
            "Helm kyverno-policies",
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "platform"}}, "Flux platform"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "sec:kyverno.io/x:p"}}, "Argo CD sec"),
        ({"labels": {"argocd.argoproj.io/instance": "sec"}}, "Argo CD sec"),
    ],
)
def test_owner_of_policy_is_read_from_its_marks(metadata: dict[str, Any], owner: str) -> None:
    assert owner_of(Policy({**PLAIN, "metadata": metadata})) == owner
