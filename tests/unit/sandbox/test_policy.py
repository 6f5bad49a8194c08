"""Which policies the sandbox's engine runs: those of the library, and no expression that it would have to guess."""

import copy
from typing import Any

import pytest

from policies.cluster.errors import Invalid, RejectedByAdmission
from policies.cluster.gateway import DEPLOYMENTS, Manifest
from policies.domain.controls import Control
from policies.domain.library import (
    API_VERSIONS,
    BINDING_KIND,
    TEMPLATES,
    Target,
    VariantSpec,
    compile_objects,
    spec_of_manifest,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from sandbox.checks import Scope
from sandbox.known import UnknownPolicy
from sandbox.native import read_binding, read_policy
from sandbox.policy import read
from tests.unit.domain.seccomp_cases import container, pod, wrapped
from tests.unit.sandbox.conftest import Place, policies

KYVERNO = (CPOL, VPOL) = Target.CLUSTER_POLICY, Target.VALIDATING_POLICY
NATIVE = Target.NATIVE


def parameters(controls: tuple[Control, ...]) -> Parameters:
    """Everything that a variant can ask, where it asks about Localhost profiles."""
    if Control.PROFILE_INSTALLED not in controls:
        return Parameters(controls=controls)
    return Parameters(
        controls=controls,
        seccomp=ProfileParameters(
            allowed=("profiles/**",), denied=("profiles/old-*",), installed=("profiles/a.json",)
        ),
        apparmor=ProfileParameters(types=("RuntimeDefault",), installed=()),
        excluded_namespaces=("kube-system", "team-z"),
        excluded_labels=(("example.com/exempt", ""), ("app", "old")),
        kinds=(WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB),
        message="Ask the platform team's channel.",
    )


def everything() -> list[Manifest]:
    """Each object that the library can compile."""
    return [
        compiled.manifest
        for template in TEMPLATES.values()
        for choice in (*template.choices, template.controls)
        for target in Target
        for version in API_VERSIONS[target]
        for compiled in compile_objects(
            VariantSpec(
                name="all",
                template=template.name,
                target=target,
                api_version=version,
                parameters=parameters(choice),
            ),
            ["team-a", "team-b"],
        )
    ]


@pytest.mark.parametrize("manifest", everything(), ids=lambda m: m["metadata"]["name"])
def test_read_whatever_the_library_compiles_is_understood(manifest: Manifest) -> None:
    if manifest["kind"] == BINDING_KIND:
        assert read_binding(manifest).policy == "all"
        return
    if manifest["kind"] == Target.NATIVE:
        parts = [read_policy(manifest)]
    else:
        parts = list(read(manifest).rules)

    checks = [check for part in parts for check in part.checks]
    spec = spec_of_manifest(manifest)
    assert spec is not None
    assert {check.control for check in checks} == set(spec.controls)
    assert all(check.message and check.names for check in checks)


@pytest.mark.parametrize("target", KYVERNO)
def test_read_tells_audit_from_twin(target: Target) -> None:
    audit, twin, *_ = map(read, policies(target, "team-a"))

    assert (audit.warns, audit.background, audit.fails_closed) == (True, True, False)
    assert not any(rule.enforces for rule in audit.rules)
    assert (twin.background, twin.fails_closed) == (False, True)
    assert all(rule.enforces and rule.changed_only for rule in twin.rules)
    assert twin.webhook_scope == Scope(frozenset({"team-a"}))


def edit(manifest: Manifest, path: str, value: Any) -> Manifest:
    edited: Any = copy.deepcopy(manifest)
    *steps, last = path.split("/")
    inner = edited
    for step in steps:
        inner = inner[int(step) if step.isdigit() else step]
    inner[int(last) if last.isdigit() else last] = value
    return edited


PARAMETERS = "secprof.io/parameters"
OTHER = '{"template":"apparmor","controls":["require-apparmor"]}'
EXPRESSION = "validate/cel/expressions/0/expression"


@pytest.mark.parametrize(
    ("target", "path", "value"),
    [
        (CPOL, f"spec/rules/0/{EXPRESSION}", "true"),
        (CPOL, "spec/rules/0/validate/cel/variables/0/expression", "false"),
        (CPOL, "spec/rules/0/validate/pattern", {"spec": {}}),
        (CPOL, "spec/rules/0/exclude", {"any": []}),
        (CPOL, "spec/rules/0/match/any/0/resources/kinds", ["Deployment"]),
        (CPOL, "spec/rules/0/match/any/0/resources/names", ["x"]),
        (CPOL, "spec/rules/0/match/any/0/resources/operations", []),
        (CPOL, "spec/rules", []),
        (CPOL, "spec/validationFailureActionOverrides", []),
        (CPOL, "spec/webhookConfiguration/matchConditions/0/expression", "false"),
        (CPOL, "spec/webhookConfiguration/failurePolicy", "Maybe"),
        (CPOL, "spec/admission", False),
        (VPOL, "spec/validations/0/expression", "true"),
        (VPOL, "spec/validations/0/messageExpression", "'no'"),
        (VPOL, "spec/variables/0/expression", "false"),
        (VPOL, "spec/matchConstraints/namespaceSelector", {}),
        (VPOL, "spec/matchConstraints/resourceRules/0/resources", ["services"]),
        (VPOL, "spec/evaluation/admission/enabled", False),
        (VPOL, "spec/matchConditions", [{"name": "no", "expression": "false"}]),
        (NATIVE, "spec/validations/0/expression", "true"),
        (NATIVE, "spec/variables/0/expression", "object"),
        (NATIVE, "spec/matchConditions/0/expression", "false"),
        (NATIVE, "spec/matchConstraints/resourceRules/0/resources", ["pods"]),
        (NATIVE, "spec/matchConstraints/namespaceSelector", {"matchLabels": {"a": "b"}}),
        (NATIVE, "spec/paramKind", {"apiVersion": "v1", "kind": "ConfigMap"}),
        *((target, "metadata/annotations", {}) for target in Target),
        *((target, "metadata/annotations", {PARAMETERS: "{}"}) for target in Target),
        *((target, "metadata/annotations", {PARAMETERS: OTHER}) for target in Target),
    ],
)
def test_read_what_the_library_does_not_compile_is_refused(
    target: Target, path: str, value: Any
) -> None:
    edited = edit(policies(target)[0], path, value)

    with pytest.raises(UnknownPolicy):
        (read_policy if target is NATIVE else read)(edited)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/validationActions", ["Deny", "Warn"]),
        ("spec/validationActions", []),
        ("spec/validationActions", ["Refuse"]),
        ("spec/paramRef", {"name": "x"}),
        ("spec/matchResources/objectSelector", {"matchLabels": {"a": "b"}}),
        ("spec/matchResources/resourceRules", []),
        ("spec/matchResources/namespaceSelector/matchLabels", {"a": "b"}),
        ("spec/matchResources/namespaceSelector/matchExpressions/0/key", "team"),
        ("spec/matchResources/namespaceSelector/matchExpressions/0/operator", "Exists"),
    ],
)
def test_read_binding_that_needs_more_than_names_is_refused(path: str, value: Any) -> None:
    twin = policies(NATIVE, "team-a")[2]
    assert read_binding(twin).scope == Scope(frozenset({"team-a"}))

    with pytest.raises(UnknownPolicy):
        read_binding(edit(twin, path, value))


def test_create_of_an_unknown_policy_is_invalid_and_says_why(place: Place) -> None:
    manifest = edit(policies()[0], f"spec/rules/0/{EXPRESSION}", "true")

    with pytest.raises(Invalid, match="the sandbox runs only what secprof compiles.*true"):
        place.sandbox.create(manifest)


def test_create_of_a_misshapen_policy_is_invalid(place: Place) -> None:
    manifest = edit(policies()[0], "spec/rules/0", {"name": "no-match"})

    with pytest.raises(Invalid, match="a field of the wrong shape"):
        place.sandbox.create(manifest)


@pytest.mark.parametrize("target", KYVERNO)
def test_read_without_a_condition_shares_the_webhook_of_its_failure_policy(target: Target) -> None:
    manifest = copy.deepcopy(policies(target)[0])
    manifest["spec"].pop("matchConditions", None)
    manifest["spec"]["webhookConfiguration"] = {}
    manifest["spec"]["failurePolicy"] = "Ignore"

    stem = "" if target is CPOL else "vpol."
    assert read(manifest).webhook == f"{stem}validate.kyverno.svc-ignore"


def test_read_validating_policy_without_actions_denies() -> None:
    manifest = copy.deepcopy(policies(VPOL)[0])
    del manifest["spec"]["validationActions"]

    assert read(manifest).rules[0].enforces


def test_read_autogen_of_a_hand_is_honoured() -> None:
    annotated = copy.deepcopy(policies()[0])
    annotated["metadata"]["annotations"]["pod-policies.kyverno.io/autogen-controllers"] = "none"
    chosen = copy.deepcopy(policies(VPOL)[0])
    chosen["spec"]["autogen"] = {"podControllers": {"controllers": ["deployments"]}}

    assert read(annotated).controllers == frozenset()
    assert read(chosen).controllers == {"Deployment"}


@pytest.mark.parametrize("target", Target)
def test_scale_and_update_of_what_violates_differ_where_the_twin_denies(
    place: Place, target: Target
) -> None:
    old = wrapped(WorkloadKind.DEPLOYMENT, pod(container("c")), name="old")
    old["metadata"]["namespace"] = "team-a"
    place.sandbox.create(old)
    place.install(target, "team-a")

    place.sandbox.scale(DEPLOYMENTS, "old", 3, namespace="team-a")
    found = place.sandbox.get(DEPLOYMENTS, "old", namespace="team-a")
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (3, 2)
    image = edit(found, "spec/template/spec/containers/0/image", "images.example.com/other:1")
    with pytest.raises(RejectedByAdmission):
        place.sandbox.admit_update(image)
    assert place.sandbox.get(DEPLOYMENTS, "old", namespace="team-a") == found
