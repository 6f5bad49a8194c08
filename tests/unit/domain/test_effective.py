"""The effective action of policies of others in one namespace, by both of Kyverno's resolvers and by version."""

import copy
from typing import Any

import pytest

from policies.domain.effective import (
    Effect,
    Engine,
    Outcome,
    asks_about_pods,
    effects,
    has_effects,
    is_inconsistent,
)
from policies.domain.engine_settings import Webhook, read_webhook
from policies.domain.engines import Version
from policies.domain.lint import Policy
from policies.domain.overrides import Place
from policies.domain.reported import Reported

NAME = "kubernetes.io/metadata.name"
NEW: Version = (1, 19, 1)
SHOP = Place("shop", {NAME: "shop", "team": "web"})
PAY = Place("pay", {NAME: "pay", "team": "pay"})
WEB = {"matchLabels": {"team": "web"}}
POD = {"any": [{"resources": {"kinds": ["Pod"]}}]}


def rule(
    name: str = "r", *, match: Any = POD, exclude: Any = None, **validate: Any
) -> dict[str, Any]:
    found = {"name": name, "match": match, "validate": {"message": "m", "pattern": {}, **validate}}
    return {**found, "exclude": exclude} if exclude else found


def cpol(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "theirs"},
        "spec": {"rules": list(rules), **spec},
    }


def vpol(**spec: Any) -> dict[str, Any]:
    pods = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
    }
    match = {"resourceRules": [pods], **spec.pop("match", {})}
    return {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": "theirs"},
        "spec": {"matchConstraints": match, "validationActions": ["Deny"], **spec},
    }


def hook(name: str = "validate.kyverno.svc-fail", *policies: str, **more: Any) -> Webhook:
    return read_webhook({"name": name, "resources": ["pods"], "policies": policies, **more})


EVERY = (hook(), hook("vpol.validate.kyverno.svc-fail", "theirs"))


def effect(
    manifest: dict[str, Any],
    place: Place = SHOP,
    version: Version | None = NEW,
    webhooks: tuple[Webhook, ...] | None = EVERY,
) -> Effect:
    (found,) = effects(Policy(manifest), [place], Engine(version, webhooks))
    return found


def over(action: str, namespaces: Any = None, selector: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = {"action": action}
    if namespaces is not None:
        found["namespaces"] = namespaces
    if selector is not None:
        found["namespaceSelector"] = selector
    return found


ENFORCE_SHOP = cpol(rule(failureAction="Audit", failureActionOverrides=[over("Enforce", ["shop"])]))
AUDIT_SHOP = cpol(rule(failureAction="Enforce", failureActionOverrides=[over("Audit", ["sh*"])]))
BY_LABEL = cpol(rule(failureAction="Audit", failureActionOverrides=[over("Enforce", selector=WEB)]))
EITHER = cpol(
    rule(
        failureAction="Audit",
        failureActionOverrides=[over("Enforce", ["shop"], {"matchLabels": {"team": "x"}})],
    )
)
MIXED = cpol(
    rule(failureAction="Audit"), validationFailureActionOverrides=[over("Enforce", ["shop"])]
)
SPEC = cpol(
    rule(),
    validationFailureAction="Audit",
    validationFailureActionOverrides=[over("enforce", ["shop"])],
)
SPEC_LABEL = cpol(
    rule(),
    validationFailureAction="Audit",
    validationFailureActionOverrides=[over("Enforce", selector=WEB)],
)
EMPTY = cpol(rule(failureAction="Audit", failureActionOverrides=[over("Enforce", [])]))
GLOBAL = cpol(rule(failureAction="Audit", failureActionOverrides=[over("Enforce")]))
FIRST = cpol(
    rule(
        failureAction="Audit",
        failureActionOverrides=[over("Audit", ["shop"]), over("Enforce", ["*"])],
    )
)

D, A, N, X, U = (
    Outcome.DENIES,
    Outcome.AUDITS,
    Outcome.NOTHING,
    Outcome.INCONSISTENT,
    Outcome.UNKNOWN,
)


@pytest.mark.parametrize(
    ("manifest", "place", "version", "outcome", "judged", "refused"),
    [
        (cpol(rule()), SHOP, NEW, A, "Audit", "Audit"),
        (cpol(rule(), validationFailureAction="enforce"), SHOP, NEW, D, "Enforce", "Enforce"),
        (
            cpol(rule(failureAction="Enforce"), validationFailureAction="Audit"),
            SHOP,
            NEW,
            D,
            "Enforce",
            "Enforce",
        ),
        # The safe shape, and what it does elsewhere.
        (ENFORCE_SHOP, SHOP, NEW, D, "Enforce", "Enforce"),
        (ENFORCE_SHOP, PAY, NEW, A, "Audit", "Audit"),
        (AUDIT_SHOP, SHOP, NEW, A, "Audit", "Audit"),
        (AUDIT_SHOP, PAY, NEW, D, "Enforce", "Enforce"),
        (FIRST, SHOP, NEW, A, "Audit", "Audit"),
        (FIRST, PAY, NEW, D, "Enforce", "Enforce"),
        # Rules say nothing before 1.13, and are not judged at all elsewhere until 1.13.3 (T3).
        (ENFORCE_SHOP, SHOP, (1, 12, 7), A, "Audit", "Audit"),
        (ENFORCE_SHOP, SHOP, (1, 13, 0), D, "Enforce", "Enforce"),
        (ENFORCE_SHOP, PAY, (1, 13, 2), X, "Neither", "Audit"),
        (AUDIT_SHOP, PAY, (1, 13, 2), X, "Neither", "Enforce"),
        (ENFORCE_SHOP, PAY, (1, 13, 3), A, "Audit", "Audit"),
        (SPEC, SHOP, (1, 12, 7), D, "Enforce", "Enforce"),
        (SPEC, SHOP, NEW, D, "Enforce", "Enforce"),
        # 2.17 (i): names or selector, against names and selector.
        (EITHER, SHOP, NEW, X, "Enforce", "Audit"),
        (EITHER, PAY, NEW, A, "Audit", "Audit"),
        # 2.17 (ii): the policy's override against the rule's own action.
        (MIXED, SHOP, NEW, X, "Enforce", "Audit"),
        (MIXED, PAY, NEW, A, "Audit", "Audit"),
        # 2.17 (iii): labels that may not be looked up.
        (SPEC_LABEL, SHOP, NEW, U, "", ""),
        (SPEC_LABEL, PAY, NEW, A, "Audit", "Audit"),
        # 2.17 (iv): an empty list is everybody to one, nobody to the other.
        (EMPTY, SHOP, NEW, X, "Enforce", "Audit"),
        (EMPTY, SHOP, (1, 17, 0), A, "Audit", "Audit"),
        (GLOBAL, SHOP, NEW, D, "Enforce", "Enforce"),
        (GLOBAL, SHOP, (1, 17, 0), X, "Audit", "Enforce"),
        # 2.21: the first resolver did not look at selectors.
        (BY_LABEL, SHOP, NEW, D, "Enforce", "Enforce"),
        (BY_LABEL, SHOP, (1, 16, 3), D, "Enforce", "Enforce"),
        (BY_LABEL, SHOP, (1, 16, 2), X, "Audit", "Enforce"),
        (BY_LABEL, PAY, (1, 16, 2), A, "Audit", "Audit"),
        # A selector that makes no sense takes nobody (v).
        (
            cpol(
                rule(failureAction="Audit", failureActionOverrides=[over("Enforce", selector="x")])
            ),
            SHOP,
            NEW,
            A,
            "Audit",
            "Audit",
        ),
    ],
)
def test_both_resolvers_answer(
    manifest: dict[str, Any],
    place: Place,
    version: Version,
    outcome: Outcome,
    judged: str,
    refused: str,
) -> None:
    found = effect(manifest, place, version)

    assert (found.outcome, found.judged, found.refused) == (outcome, judged, refused)
    assert found.sentence


@pytest.mark.parametrize(
    ("manifest", "place", "outcome"),
    [
        (cpol(rule()), SHOP, A),
        (ENFORCE_SHOP, SHOP, U),
        (BY_LABEL, SHOP, U),
        (cpol(rule(), validationFailureAction="Enforce"), SHOP, D),
    ],
)
def test_unknown_version_is_unknown_where_versions_differ(
    manifest: dict[str, Any], place: Place, outcome: Outcome
) -> None:
    assert effect(manifest, place, None).outcome is outcome


OWN_WEBHOOK = {"webhookConfiguration": {"matchConditions": [{"name": "c", "expression": "true"}]}}
TWO = cpol(rule("a", failureAction="Audit"), rule("b", failureAction="Enforce"), **OWN_WEBHOOK)
FINE = (hook("validate.kyverno.svc-fail-finegrained-theirs", "theirs"),)


@pytest.mark.parametrize(("version", "outcome"), [((1, 18, 2), X), ((1, 19, 0), D)])
def test_policy_with_its_own_webhook_takes_one_action_for_all_rules_before_119(
    version: Version, outcome: Outcome
) -> None:
    assert effect(TWO, SHOP, version, FINE).outcome is outcome


def test_policy_with_its_own_webhook_passes_the_first_resolver_by() -> None:
    manifest = copy.deepcopy(BY_LABEL)
    manifest["spec"].update(OWN_WEBHOOK)

    assert effect(manifest, SHOP, (1, 16, 2), FINE).outcome is D


def match(**resources: Any) -> dict[str, Any]:
    return {"any": [{"resources": {"kinds": ["Pod"], **resources}}]}


@pytest.mark.parametrize(
    ("matched", "excluded", "outcome"),
    [
        (match(namespaces=["shop"]), None, D),
        (match(namespaces=["s*"]), None, D),
        (match(namespaces=["pay"]), None, N),
        (match(namespaceSelector=WEB), None, D),
        (match(namespaceSelector={"matchLabels": {"team": "x"}}), None, N),
        (match(namespaceSelector={"matchExpressions": [1]}), None, U),
        ({"all": [*match()["any"], *match(namespaces=["pay"])["any"]]}, None, N),
        ({"resources": {"kinds": ["Pod"], "namespaces": ["pay"]}}, None, N),
        ({"resources": {"kinds": ["Pod"]}}, None, D),
        (POD, {"any": [{"resources": {"namespaces": ["shop"]}}]}, N),
        (POD, {"resources": {"namespaces": ["shop"]}}, N),
        (POD, {"all": [{"resources": {"namespaces": ["shop"]}}]}, N),
        (POD, {"any": [{"resources": {"namespaces": ["pay"]}}]}, D),
        (POD, {"any": [{"resources": {"namespaces": ["shop"], "names": ["a"]}}]}, D),
        (POD, {"any": [{"resources": {"namespaces": ["shop"], "kinds": ["Deployment"]}}]}, D),
        (
            POD,
            {"any": [{"resources": {"namespaces": ["shop"]}, "subjects": [{"kind": "User"}]}]},
            D,
        ),
        (POD, {"any": [{"resources": {"kinds": ["Pod"]}}]}, D),
    ],
)
def test_rule_that_matches_nothing_here_does_nothing(
    matched: Any, excluded: Any, outcome: Outcome
) -> None:
    manifest = cpol(rule(match=matched, exclude=excluded, failureAction="Enforce"))

    assert effect(manifest).outcome is outcome


def test_one_contradiction_counts_more_than_any_other_rule() -> None:
    both = cpol(
        rule("a", failureAction="Enforce"),
        *MIXED["spec"]["rules"],
        validationFailureActionOverrides=[over("Enforce", ["shop"])],
    )

    assert effect(both).outcome is X


@pytest.mark.parametrize(
    ("manifest", "outcome", "words"),
    [
        (vpol(), D, "refused"),
        (vpol(validationActions=["Audit", "Warn"]), A, "reported"),
        (vpol(validationActions=[]), D, "means Deny"),
        (vpol(evaluation={"admission": {"enabled": False}}), N, "off at admission"),
        (vpol(match={"namespaceSelector": {"matchLabels": {"team": "x"}}}), N, "namespaceSelector"),
        (vpol(match={"namespaceSelector": {"matchExpressions": [1]}}), U, "could not be read"),
        (
            vpol(matchConditions=[{"name": "c", "expression": "request.namespace in ['pay']"}]),
            N,
            "matchConditions",
        ),
        (
            vpol(
                matchConditions=[{"name": "c", "expression": "request.namespace.startsWith('a')"}]
            ),
            U,
            "asks about the namespace",
        ),
        (
            vpol(matchConditions=[{"name": "c", "expression": "request.operation == 'CREATE'"}]),
            D,
            "refused",
        ),
        ({**vpol(), "status": {"generated": True}}, D, "refused"),
        (cpol(rule(), admission=False), N, "off at admission"),
    ],
)
def test_policy_says_itself(manifest: dict[str, Any], outcome: Outcome, words: str) -> None:
    found = effect(manifest)

    assert found.outcome is outcome
    assert words in found.sentence


@pytest.mark.parametrize(
    ("manifest", "outcome"),
    [
        (cpol(rule(failureAction="Enforce")), D),
        (cpol(rule()), A),
        (ENFORCE_SHOP, U),
    ],
)
def test_generated_policy_passes_over_overrides(manifest: dict[str, Any], outcome: Outcome) -> None:
    generated = {**manifest, "status": {"validatingadmissionpolicy": {"generated": True}}}

    assert effect(generated, webhooks=()).outcome is outcome


LEFT_OUT = {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": ["shop"]}]}
VPOL = "vpol.validate.kyverno.svc-fail"


@pytest.mark.parametrize(
    ("webhooks", "outcome"),
    [
        ((hook(VPOL, "theirs"),), D),
        ((hook(VPOL, "others"),), X),
        ((), X),
        ((hook(VPOL, "theirs", namespaceSelector=LEFT_OUT),), X),
        ((hook(VPOL, "theirs", namespaceSelector=LEFT_OUT), hook(f"{VPOL}-0a1b2c3d", "theirs")), D),
        ((hook(VPOL, "theirs", namespaceSelector="x"),), U),
        ((hook(VPOL, "theirs", resources=["nodes"]),), X),
    ],
)
def test_policy_that_nobody_asks_about_refuses_nothing(
    webhooks: tuple[Webhook, ...], outcome: Outcome
) -> None:
    assert effect(vpol(), webhooks=webhooks).outcome is outcome


def test_audit_policy_that_nobody_asks_about_does_nothing_at_admission() -> None:
    assert effect(vpol(validationActions=["Audit"]), webhooks=()).outcome is N


@pytest.mark.parametrize(
    ("manifest", "version", "outcome"),
    [
        (vpol(), (1, 19, 0), D),
        (vpol(), (1, 15, 0), D),
        (vpol(), (1, 16, 0), U),
        (vpol(), (1, 18, 2), U),
        (vpol(), None, U),
        (vpol(webhookConfiguration={"timeoutSeconds": 3}), (1, 18, 2), D),
        (cpol(rule(failureAction="Enforce")), (1, 18, 2), D),
    ],
)
def test_shared_selectors_are_unknown_while_webhooks_are(
    manifest: dict[str, Any], version: Version | None, outcome: Outcome
) -> None:
    assert effect(manifest, SHOP, version, None).outcome is outcome


def test_cluster_policy_is_asked_about_by_the_shared_webhook_alone() -> None:
    manifest = cpol(rule(failureAction="Enforce"))

    others = hook("validate.kyverno.svc-fail-finegrained-others", "others")

    assert effect(manifest, webhooks=(others,)).outcome is X
    assert effect(manifest, webhooks=(hook(),)).outcome is D


def test_policy_about_other_kinds_needs_no_webhook_about_pods() -> None:
    manifest = cpol(
        rule(match={"any": [{"resources": {"kinds": ["Ingress"]}}]}, failureAction="Enforce")
    )

    assert not asks_about_pods(Policy(manifest))
    assert effect(manifest, webhooks=()).outcome is D


def test_namespace_that_is_not_enforceable_sees_nothing_of_any_policy() -> None:
    barred = Place("shop", {}, "Kyverno itself runs here.")

    assert (
        effect(cpol(rule(failureAction="Enforce")), barred).sentence == "Kyverno itself runs here."
    )
    assert not is_inconsistent(Policy(MIXED), [barred], Engine(NEW, EVERY))
    assert is_inconsistent(Policy(MIXED), [PAY, SHOP], Engine(NEW, EVERY))


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (vpol(), True),
        (cpol(rule()), True),
        (cpol({"name": "m", "match": POD, "mutate": {}}), False),
        (
            {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"},
            False,
        ),
        ({}, False),
    ],
)
def test_effects_are_told_of_policies_that_kyverno_validates_by(
    manifest: dict[str, Any], told: bool
) -> None:
    assert has_effects(Policy(manifest)) is told


@pytest.mark.parametrize(
    ("manifest", "place", "reported"),
    [
        (cpol(rule()), SHOP, Reported.SCANS),
        (cpol(rule(), background=False), SHOP, Reported.REQUESTS),
        (cpol(rule(), background=False), Place("shop", {}, "Left out."), Reported.NEVER),
        (cpol(rule()), Place("shop", {}, "Left out."), Reported.SCANS),
        (cpol(rule(match=match(namespaces=["pay"]))), SHOP, Reported.NEVER),
        (
            cpol(rule(match=match(namespaceSelector={"matchExpressions": [1]}))),
            SHOP,
            Reported.UNKNOWN,
        ),
        (vpol(), SHOP, Reported.SCANS),
        (vpol(evaluation={"background": {"enabled": False}}), SHOP, Reported.REQUESTS),
        (vpol(match={"namespaceSelector": {"matchLabels": {"team": "x"}}}), SHOP, Reported.NEVER),
        (vpol(match={"namespaceSelector": {"matchExpressions": [1]}}), SHOP, Reported.UNKNOWN),
        (
            vpol(matchConditions=[{"name": "c", "expression": "request.namespace == 'pay'"}]),
            SHOP,
            Reported.NEVER,
        ),
    ],
)
def test_reports_tell_of_a_policy(
    manifest: dict[str, Any], place: Place, reported: Reported
) -> None:
    assert effect(manifest, place).reported is reported


def test_policy_with_reports_disabled_is_never_reported() -> None:
    manifest = vpol()
    manifest["metadata"]["labels"] = {"reports.kyverno.io/disabled": "true"}

    assert effect(manifest).reported is Reported.NEVER


@pytest.mark.parametrize(
    ("manifest", "asks"),
    [
        (cpol(rule()), True),
        (cpol(rule(match={"any": [{"resources": {"kinds": ["*"]}}]})), True),
        (cpol(rule(), admission=False), False),
        ({**vpol(), "status": {"generated": True}}, False),
        (vpol(), True),
        (vpol(match={"resourceRules": [{"resources": ["nodes"]}]}), False),
    ],
)
def test_policy_needs_a_webhook_about_pods(manifest: dict[str, Any], asks: bool) -> None:
    assert asks_about_pods(Policy(manifest)) is asks
