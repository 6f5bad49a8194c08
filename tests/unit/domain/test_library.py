"""The library: names, order, determinism, and what an API server would refuse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.controls import Control
from policies.domain.library import (
    API_VERSIONS,
    InvalidNamespace,
    InvalidVariant,
    ObjectRole,
    Target,
    VariantSpec,
    compile_objects,
    manifest_bytes,
    probe_pods,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from policies.domain.posture import assess
from tests.contract.golden import Golden, golden_files
from tests.unit.domain.test_posture import BOTH, decoded

CPOL, VPOL = Target.CLUSTER_POLICY, Target.VALIDATING_POLICY


def variant(target: Target = CPOL, **changes: object) -> VariantSpec:
    values = {"name": "seccomp", "api_version": API_VERSIONS[target][0], "controls": BOTH} | changes
    parameters = Parameters(controls=values.pop("controls"))
    return VariantSpec(target=target, parameters=parameters, **values)


@pytest.mark.parametrize("file", golden_files(), ids=lambda f: f.name)
def test_compile_gives_the_golden_bytes(file: Golden) -> None:
    assert file.path.read_bytes() == file.content, "python -m tests.contract.golden writes them"


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (CPOL, ["seccomp", "seccomp-enforce"]),
        (VPOL, ["seccomp", "seccomp-enforce", "seccomp-enforce-debug"]),
    ],
)
def test_compile_with_one_namespace_gives_audit_policy_and_twin(
    target: Target, names: list[str]
) -> None:
    compiled = compile_objects(variant(target), ["team-a"])

    assert [c.name for c in compiled] == names
    assert [c.namespaces for c in compiled] == [(), *[("team-a",)] * (len(names) - 1)]
    for c in compiled:
        assert (c.manifest["kind"], c.manifest["apiVersion"]) == (c.kind, c.api_version)
        assert c.manifest["metadata"] == {
            "name": c.name,
            "labels": {
                "app.kubernetes.io/managed-by": "secprof",
                "secprof.io/variant": "seccomp",
                "secprof.io/role": str(c.role),
            },
        }


@pytest.mark.parametrize("target", Target)
def test_compile_without_namespaces_gives_the_audit_policy_alone(target: Target) -> None:
    (only,) = compile_objects(variant(target), ())

    assert only.role is ObjectRole.AUDIT


def test_compile_past_a_thousand_namespaces_adds_a_twin_and_a_companion() -> None:
    namespaces = [f"ns-{number:04}" for number in range(1001)]

    compiled = compile_objects(variant(VPOL), namespaces)

    assert [(c.name, len(c.namespaces)) for c in compiled] == [
        ("seccomp", 0),
        ("seccomp-enforce", 1000),
        ("seccomp-enforce-2", 1),
        ("seccomp-enforce-debug", 1000),
        ("seccomp-enforce-debug-2", 1),
    ]


def test_compile_thousand_longest_names_stays_below_the_limit_of_an_expression() -> None:
    namespaces = [f"{number:063}" for number in range(1000)]

    for target in Target:
        for c in compile_objects(variant(target), namespaces)[1:]:
            webhook = c.manifest["spec"]["webhookConfiguration"]
            conditions = c.manifest["spec"].get("matchConditions") or webhook["matchConditions"]
            assert max(len(condition["expression"]) for condition in conditions) < 100_000


LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True)


@settings(deadline=None)
@given(namespaces=st.lists(LABELS, max_size=8), target=st.sampled_from(Target), data=st.data())
def test_compile_any_order_and_duplicates_give_the_same_bytes(
    namespaces: list[str], target: Target, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(namespaces + namespaces[:2]))
    swapped = variant(target, controls=(BOTH[1], BOTH[0], BOTH[1]))

    first = [manifest_bytes(c.manifest) for c in compile_objects(variant(target), namespaces)]
    second = [manifest_bytes(c.manifest) for c in compile_objects(swapped, shuffled)]

    assert first == second


@pytest.mark.parametrize("name", ["", "A", "a b", "a']", "-a", "a-", "a.b", "x" * 64, "*"])
def test_compile_refuses_what_is_no_namespace(name: str) -> None:
    with pytest.raises(InvalidNamespace):
        compile_objects(variant(), [name])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "Seccomp"},
        {"name": "x" * 41},
        {"name": "seccomp-enforce"},
        {"name": "seccomp-enforce-2"},
        {"name": "seccomp-enforce-debug"},
        {"template": "apparmor"},
        {"api_version": "kyverno.io/v2beta1"},
        {"controls": ()},
        {"controls": (Control.REQUIRE_SECCOMP,)},
    ],
)
def test_variant_with_a_wrong_parameter_says_which(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidVariant, match=r"\.$"):
        variant(**changes)


def test_variant_of_one_control_has_one_rule_and_one_validation() -> None:
    controls = (Control.DENY_UNCONFINED_SECCOMP,)

    (cpol,) = compile_objects(variant(CPOL, controls=controls), ())
    (vpol,) = compile_objects(variant(VPOL, controls=controls), ())

    assert [rule["name"] for rule in cpol.manifest["spec"]["rules"]] == ["deny-unconfined-seccomp"]
    assert len(vpol.manifest["spec"]["validations"]) == 1


@pytest.mark.parametrize("target", Target)
def test_messages_fit_into_a_truncated_warning(target: Target) -> None:
    spec = variant(target, name="x" * 40)

    for c in compile_objects(spec, ["team-a"]):
        for text in messages(c.manifest["spec"]):
            assert len(f"policy {c.name}.deny-unconfined-seccomp: {text}") <= 256


def messages(spec: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    if "validations" in spec:
        return [str(validation["message"]) for validation in spec["validations"]]
    return [rule["validate"]["message"] for rule in spec["rules"]]


def test_no_expression_is_null_safe_by_comparing_with_null() -> None:
    for target in Target:
        for c in compile_objects(variant(target), ["team-a"]):
            assert b"null" not in manifest_bytes(c.manifest)


@pytest.mark.parametrize("controls", [BOTH, (Control.DENY_UNCONFINED_SECCOMP,)])
def test_probe_pods_fail_the_strictest_control_and_none(controls: tuple[Control, ...]) -> None:
    probes = probe_pods(variant(controls=controls))

    bad, good = (
        assess(
            WorkloadKind.POD,
            decoded(WorkloadKind.POD, pod),
            parameters=Parameters(controls=controls),
        ).findings
        for pod in (probes.bad, probes.good)
    )

    assert {finding.control for finding in bad} == {controls[0]}
    assert good == ()
