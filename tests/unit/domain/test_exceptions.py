"""Exceptions: what an exemption compiles to, what proves it, and how a cluster's own are read."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.domain.controls import SECCOMP_CONTROLS, Control
from policies.domain.exceptions import (
    EXCEPTION_VERSIONS,
    ExceptionKind,
    InvalidExemption,
    also_covers,
    compile_exception,
    covered,
    exception_digest,
    exception_kind,
    exempt_pods,
    identity_of,
    read_exception,
)
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.identities import family, fits, pattern_of
from policies.domain.library import (
    InvalidVariant,
    Target,
    compile_objects,
    manifest_bytes,
)
from policies.domain.library.exempting import (
    exempted_by,
    native_conditions,
    pattern_of_cel,
    pattern_of_jmespath,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from tests.unit.domain.exception_cases import (
    COVERED,
    ENDS_AT,
    KEY,
    NEIGHBOURS,
    exemption,
    named,
    variant,
)

CPOL, VPOL, NATIVE = Target
VERSION = {CPOL: "kyverno.io/v2", VPOL: "policies.kyverno.io/v1"}
KYVERNO = (CPOL, VPOL)


def compiled(target: Target, about: Exemption | None = None, **options: Any) -> dict[str, Any]:
    found = compile_exception(
        variant(target),
        about or exemption(),
        api_version=VERSION[target],
        namespace="kyverno",
        **options,
    )
    return found.manifest


# Compiling


def test_kind_follows_the_kind_of_policy() -> None:
    kinds = [exception_kind(variant(target)) for target in Target]

    assert kinds == [ExceptionKind.KYVERNO, ExceptionKind.CEL, None]


@pytest.mark.parametrize("target", KYVERNO)
def test_compile_names_object_and_owner(target: Target) -> None:
    manifest = compiled(target)

    assert manifest["apiVersion"] == VERSION[target]
    assert manifest["kind"] == "PolicyException"
    assert manifest["metadata"]["name"] == f"secprof-{KEY}"
    assert manifest["metadata"]["namespace"] == "kyverno"
    assert manifest["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "secprof",
        "secprof.io/variant": "seccomp",
        "secprof.io/exception": KEY,
    }
    assert manifest["metadata"]["annotations"]["secprof.io/ends-at"] == "2027-01-31T12:00:00Z"
    assert manifest["metadata"]["annotations"]["secprof.io/ticket"] == "SEC-12"


def test_compile_for_rules_names_audit_policy_every_twin_and_derived_rules() -> None:
    exceptions = compiled(CPOL)["spec"]["exceptions"]

    names = [each["policyName"] for each in exceptions]
    assert names[:3] == ["seccomp", "seccomp-enforce", "seccomp-enforce-2"]
    assert names[-1] == "seccomp-enforce-10"
    assert exceptions[0]["ruleNames"] == [
        f"{prefix}{control}"
        for control in SECCOMP_CONTROLS
        for prefix in ("", "autogen-", "autogen-cronjob-")
    ]
    assert all(each["ruleNames"] == exceptions[0]["ruleNames"] for each in exceptions)


def test_compile_for_rules_leaves_other_controls_alone() -> None:
    some = exemption(controls=(Control.DENY_UNCONFINED_SECCOMP,))

    rules = compiled(CPOL, some)["spec"]["exceptions"][0]["ruleNames"]

    assert rules == [
        "deny-unconfined-seccomp",
        "autogen-deny-unconfined-seccomp",
        "autogen-cronjob-deny-unconfined-seccomp",
    ]


def test_compile_for_rules_narrows_every_filter_to_namespace_and_names() -> None:
    workloads = (named("Deployment", "app"), named("CronJob", "nightly"), named("Pod", "alone"))

    spec = compiled(CPOL, exemption(*workloads))["spec"]

    by_kind = {f["resources"]["kinds"][0]: f["resources"] for f in spec["match"]["any"]}
    assert {kind: resources["names"] for kind, resources in by_kind.items()} == {
        "Pod": ["alone", "app-*", "nightly-*"],
        "ReplicaSet": ["app-*"],
        "Deployment": ["app"],
        "Job": ["nightly-*"],
        "CronJob": ["nightly"],
    }
    assert all(resources["namespaces"] == ["team-a"] for resources in by_kind.values())
    assert spec["background"] is True
    assert len(spec["conditions"]["all"]) == 1


def test_compile_for_rules_finds_pods_with_names_that_kubernetes_cuts() -> None:
    long = named("DaemonSet", "d" * 62)

    spec = compiled(CPOL, exemption(long))["spec"]

    assert spec["match"]["any"][0]["resources"]["names"] == ["d" * 58 + "*"]


def test_compile_for_policies_names_audit_policy_twins_and_companions() -> None:
    spec = compiled(VPOL)["spec"]

    names = [each["name"] for each in spec["policyRefs"]]
    assert len(names) == len(set(names)) == 21
    assert {"seccomp", "seccomp-enforce", "seccomp-enforce-2", "seccomp-enforce-debug"} < set(names)
    assert {each["kind"] for each in spec["policyRefs"]} == {"ValidatingPolicy"}
    assert spec["reportResult"] == "skip"
    assert spec["matchConditions"][0]["expression"] == "request.namespace == 'team-a'"
    assert len(spec["matchConditions"]) == 2


@pytest.mark.parametrize(
    ("kyverno", "knows"), [(None, False), ((1, 18, 2), False), ((1, 19, 0), True), ((1, 20), True)]
)
def test_compile_tells_the_end_to_whoever_knows_ends(
    kyverno: tuple[int, ...] | None, knows: bool
) -> None:
    spec = compiled(VPOL, kyverno=kyverno)["spec"]

    assert spec.get("expiresAt") == ("2027-01-31T12:00:00Z" if knows else None)
    assert ("properties" in spec) is knows
    if knows:
        assert spec["properties"] == {
            "approved-by": "carol",
            "exception": KEY,
            "reason": "The vendor has no profile yet.",
            "ticket": "SEC-12",
        }


def test_compile_for_rules_never_tells_an_end() -> None:
    assert "expiresAt" not in compiled(CPOL, kyverno=(1, 19, 1))["spec"]


@pytest.mark.parametrize("target", KYVERNO)
def test_compile_gives_the_same_bytes_each_time(target: Target) -> None:
    about = exemption(named("Deployment", "b"), named("Deployment", "a"))

    assert manifest_bytes(compiled(target, about)) == manifest_bytes(compiled(target, about))


@pytest.mark.parametrize("target", KYVERNO)
@pytest.mark.parametrize(
    ("about", "options", "message"),
    [
        ({"namespace": "Team"}, {}, "not the name of a namespace"),
        ({}, {"namespace": ""}, "not the name of a namespace"),
        ({}, {"api_version": "kyverno.io/v1"}, "no exceptions in"),
        ({"workloads": ()}, {}, "at least one"),
    ],
)
def test_compile_refuses_what_cannot_be(
    target: Target, about: dict[str, Any], options: dict[str, str], message: str
) -> None:
    given_options = {"api_version": VERSION[target], "namespace": "kyverno", **options}

    with pytest.raises(InvalidExemption, match=message):
        compile_exception(variant(target), replace(exemption(), **about), **given_options)


def test_compile_for_rules_refuses_foreign_controls() -> None:
    about = exemption(controls=(Control.REQUIRE_APPARMOR,))

    with pytest.raises(InvalidExemption, match="None of these controls"):
        compiled(CPOL, about)


def test_compile_refuses_a_native_policy() -> None:
    with pytest.raises(InvalidExemption, match="its own conditions"):
        compile_exception(
            variant(NATIVE), exemption(), api_version="kyverno.io/v2", namespace="kyverno"
        )


def test_compile_refuses_more_workloads_than_an_expression_holds() -> None:
    many = [named("Pod", f"pod-{'x' * 200}-{number}") for number in range(300)]

    with pytest.raises(InvalidExemption, match="more workloads"):
        compiled(CPOL, exemption(*many))


# The compiled conditions, read again


def pattern_in(target: Target, about: Exemption) -> str | None:
    if target is NATIVE:
        found = exempted_by(native_conditions([about])[0]["expression"])
        return found[0][1] if found else None
    spec = compiled(target, about)["spec"]
    if target is CPOL:
        return pattern_of_jmespath(spec["conditions"]["all"][0]["key"])
    return pattern_of_cel(spec["matchConditions"][1]["expression"])


@pytest.mark.parametrize("target", tuple(Target))
def test_conditions_hold_the_pattern_of_the_workloads(target: Target) -> None:
    for workload, member in COVERED:
        pattern = pattern_in(target, exemption(workload))
        assert pattern is not None
        assert fits(pattern, member)
    for workload, member in NEIGHBOURS:
        pattern = pattern_in(target, exemption(workload))
        assert pattern is not None
        assert not fits(pattern, member)


@pytest.mark.parametrize("odd", [None, 7, "", "true", "{{ regex_match('', x) }}", "![x].exists("])
def test_other_conditions_are_not_read(odd: object) -> None:
    assert pattern_of_jmespath(odd) is None
    assert pattern_of_cel(odd) is None
    if isinstance(odd, str):
        assert exempted_by(odd) is None


# Native policies


def test_native_policy_without_exemptions_is_as_before() -> None:
    plain, given_none = variant(NATIVE), variant(NATIVE, exemptions=())

    assert [o.manifest for o in compile_objects(plain, ["a"])] == [
        o.manifest for o in compile_objects(given_none, ["a"])
    ]


def test_native_policy_carries_exemptions_in_any_order_alike() -> None:
    first = exemption(named("Deployment", "app"))
    second = exemption(named("Pod", "alone"), namespace="team-b", key="ba9876543210")
    orders = [(first, second), (second, first)]

    policies = [compile_objects(variant(NATIVE, exemptions=order), ["a"])[0] for order in orders]

    assert policies[0].manifest == policies[1].manifest
    conditions = policies[0].manifest["spec"]["matchConditions"]
    assert [each["name"] for each in conditions] == ["changed-pod-spec", "exempt-1"]
    found = exempted_by(conditions[1]["expression"])
    assert found == (
        ("team-a", pattern_of(first.workloads)),
        ("team-b", pattern_of(second.workloads)),
    )


def test_native_policy_fits_many_exemptions_into_few_conditions() -> None:
    many = [exemption(named("Deployment", f"app-{n}"), key=f"{n:012x}") for n in range(2000)]

    conditions = native_conditions(many)

    assert 1 < len(conditions) < 64
    assert all(len(each["expression"]) < 100_000 for each in conditions)
    found = [exempted_by(each["expression"]) or () for each in conditions]
    assert sum(map(len, found)) == 2000


def test_native_policy_refuses_more_exemptions_than_it_holds() -> None:
    names = [named("Deployment", f"{'x' * 240}-{n:05}") for n in range(60)]
    many = [exemption(*names, namespace=f"team-{n}", key=f"{n:012x}") for n in range(200)]

    with pytest.raises(InvalidVariant, match="more exceptions"):
        native_conditions(many)


def test_native_policy_refuses_one_exemption_that_is_too_long() -> None:
    names = [named("Deployment", f"{'x' * 240}-{n:05}") for n in range(500)]

    with pytest.raises(InvalidVariant, match="more workloads"):
        native_conditions([exemption(*names)])


def test_native_policy_refuses_what_is_no_namespace() -> None:
    with pytest.raises(InvalidVariant, match="not the name of a namespace"):
        native_conditions([exemption(namespace="a' || true")])


# The proof


@pytest.mark.parametrize("kind", [k for k in WorkloadKind if k is not WorkloadKind.POD_TEMPLATE])
def test_proof_pods_are_told_apart_by_the_exemption(kind: WorkloadKind) -> None:
    workload = WorkloadName(kind, "app")
    about = exemption(workload, named("Deployment", "app-v2"))

    pods = exempt_pods(variant(CPOL), about, workload)

    pattern = pattern_of(about.workloads)
    assert fits(pattern, identity_of(pods.exempted))
    assert not fits(pattern, identity_of(pods.neighbour))
    assert pods.exempted["spec"] == pods.neighbour["spec"]
    name = pods.neighbour["metadata"]["name"]
    assert name.startswith("app-v3" if kind is WorkloadKind.DEPLOYMENT else "app-v2")


def test_proof_pod_fails_only_what_is_exempted() -> None:
    about = exemption(controls=(Control.REQUIRE_SECCOMP,))

    pods = exempt_pods(variant(CPOL), about, named("Deployment", "app"))

    assert "seccompProfile" not in pods.exempted["spec"]["securityContext"]


def test_proof_of_a_control_that_is_never_alone_is_refused() -> None:
    about = exemption(controls=(Control.DENY_UNCONFINED_SECCOMP,))

    with pytest.raises(InvalidVariant, match="add the controls"):
        exempt_pods(variant(CPOL), about, named("Deployment", "app"))


def test_proof_for_another_workload_is_refused() -> None:
    with pytest.raises(InvalidExemption, match="not for"):
        exempt_pods(variant(CPOL), exemption(), named("Deployment", "app-v2"))


def test_proof_without_pods_is_refused() -> None:
    shape = named("PodTemplate", "shape")

    with pytest.raises(InvalidExemption, match="no pods"):
        exempt_pods(variant(CPOL), exemption(shape), shape)


# Whom it covers


def test_covered_counts_live_objects() -> None:
    about = exemption(named("Deployment", "app"))
    live = [*family(named("Deployment", "app")), *family(named("Deployment", "app-v2"))]

    assert covered(about, live) == family(named("Deployment", "app"))


def test_also_covers_nobody_with_a_name_that_begins_alike() -> None:
    about = exemption(*(named(kind, "app") for kind in ("Deployment", "CronJob", "StatefulSet")))
    beside = [named(kind, f"app{end}") for kind in WorkloadKind for end in ("-v2", "-0", "2", "-b")]

    assert also_covers(about, [*about.workloads, *beside]) == ()


def test_also_covers_tells_of_a_job_named_like_those_of_a_cron_job() -> None:
    about = exemption(named("CronJob", "nightly"))
    twin = named("Job", "nightly-29412345")

    assert also_covers(about, [twin, named("Job", "nightly-20260131")]) == (twin,)


# Reading


@pytest.mark.parametrize("target", KYVERNO)
def test_read_gives_back_what_was_compiled(target: Target) -> None:
    manifest = compiled(target, kyverno=(1, 19, 1))
    manifest["metadata"] |= {"uid": "u-1", "resourceVersion": "7"}

    found = read_exception(manifest)

    assert (found.group, found.api_version) == (exception_kind(variant(target)), VERSION[target])
    assert (found.namespace, found.name) == ("kyverno", f"secprof-{KEY}")
    assert (found.uid, found.resource_version) == ("u-1", "7")
    assert (found.is_ours, found.exception_key, found.variant) == (True, KEY, "seccomp")
    assert {"seccomp", "seccomp-enforce"} < set(found.policies)
    assert found.has_conditions
    assert found.reaches == ("team-a",)
    assert found.expires_at == (ENDS_AT if target is VPOL else None)
    assert ("autogen-require-seccomp" in found.rules) is (target is CPOL)


@pytest.mark.parametrize("target", KYVERNO)
def test_digest_is_of_behaviour_only(target: Target) -> None:
    manifest = compiled(target)
    stored = {**manifest, "metadata": {**manifest["metadata"], "uid": "u", "generation": 3}}
    stored["metadata"]["annotations"] = {"someone": "else"}
    older = {**stored, "apiVersion": f"{manifest['apiVersion'].partition('/')[0]}/v1alpha1"}

    assert exception_digest(manifest) == exception_digest(stored) == exception_digest(older)


@pytest.mark.parametrize("target", KYVERNO)
def test_digest_changes_with_workloads_and_owner(target: Target) -> None:
    manifest = compiled(target)
    wider = compiled(target, exemption(named("Deployment", "app"), named("Pod", "b")))
    unlabelled = {**manifest, "metadata": {**manifest["metadata"], "labels": {}}}

    digests = {exception_digest(each) for each in (manifest, wider, unlabelled)}

    assert len(digests) == 3
    assert not read_exception(unlabelled).is_ours


def foreign(group: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": EXCEPTION_VERSIONS[ExceptionKind(group)][0],
        "kind": "PolicyException",
        "metadata": {"name": "theirs", "namespace": "team-b"},
        "spec": spec,
    }


ONE_NAMESPACE = {"resources": {"kinds": ["Pod"], "namespaces": ["a"]}}
TWO_NAMESPACES = {"resources": {"kinds": ["Pod"], "namespaces": ["a", "b"]}}
EVERYWHERE = {"resources": {"kinds": ["Pod"]}}
BY_NAME = {"resources": {"kinds": ["Pod"], "names": ["x"]}}
PATTERN = {"resources": {"kinds": ["Pod"], "namespaces": ["a-*"]}}


@pytest.mark.parametrize(
    ("match", "has_conditions", "reaches"),
    [
        ({"any": [ONE_NAMESPACE]}, True, ("a",)),
        ({"any": [ONE_NAMESPACE, TWO_NAMESPACES]}, True, ("a", "b")),
        ({"any": [ONE_NAMESPACE, EVERYWHERE]}, False, None),
        ({"any": [EVERYWHERE]}, False, None),
        ({"any": [BY_NAME]}, True, None),
        ({"any": [PATTERN]}, True, None),
        ({"any": [{**EVERYWHERE, "subjects": [{"kind": "User", "name": "x"}]}]}, True, None),
        ({"all": [EVERYWHERE, TWO_NAMESPACES]}, True, ("a", "b")),
        ({"all": [ONE_NAMESPACE, TWO_NAMESPACES]}, True, ("a",)),
        ({"all": [EVERYWHERE]}, False, None),
        ({}, False, None),
    ],
)
def test_read_of_theirs_says_how_far_rules_exceptions_reach(
    match: dict[str, Any], has_conditions: bool, reaches: tuple[str, ...] | None
) -> None:
    spec = {"exceptions": [{"policyName": "p", "ruleNames": ["r*"]}], "match": match}

    found = read_exception(foreign("kyverno.io", spec))

    assert (found.has_conditions, found.reaches) == (has_conditions, reaches)
    assert (found.policies, found.rules, found.is_ours) == (("p",), ("r*",), False)


def test_read_counts_conditions_of_any_kind() -> None:
    spec = {"match": {"any": [EVERYWHERE]}, "conditions": {"any": [{"key": "x"}]}}

    assert read_exception(foreign("kyverno.io", spec)).has_conditions


@pytest.mark.parametrize(
    ("conditions", "has_conditions", "reaches"),
    [
        ([], False, None),
        (["request.namespace == 'a'"], True, ("a",)),
        (['object.metadata.namespace == "a"'], True, ("a",)),
        (["request.namespace in ['a', \"b\"]"], True, ("a", "b")),
        (["request.namespace in ['a', 'b']", "request.namespace == 'b'"], True, ("b",)),
        (["object.metadata.name == 'x'"], True, None),
        (["request.namespace == 'a' || true"], True, None),
        (["request.namespace != 'a'"], True, None),
    ],
)
def test_read_of_theirs_says_how_far_policy_exceptions_reach(
    conditions: list[str], has_conditions: bool, reaches: tuple[str, ...] | None
) -> None:
    spec = {
        "policyRefs": [{"kind": "ValidatingPolicy", "name": "p"}],
        "matchConditions": [{"name": "c", "expression": each} for each in conditions],
        "expiresAt": "soon",
    }

    found = read_exception(foreign("policies.kyverno.io", spec))

    assert (found.has_conditions, found.reaches) == (has_conditions, reaches)
    assert (found.policies, found.expires_at) == (("p",), None)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "match",
                    "any",
                    "all",
                    "resources",
                    "exceptions",
                    "policyRefs",
                    "matchConditions",
                    "labels",
                    "expression",
                    "conditions",
                    "expiresAt",
                    "names",
                    "namespaces",
                    "ruleNames",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(group=st.sampled_from(ExceptionKind), spec=ODD, metadata=ODD)
def test_read_of_odd_objects_never_crashes(
    group: ExceptionKind, spec: object, metadata: object
) -> None:
    manifest = {"apiVersion": f"{group}/v1", "spec": spec, "metadata": metadata}

    found = read_exception(manifest)

    assert not found.is_ours


def test_read_of_another_group_is_refused() -> None:
    with pytest.raises(ValueError, match="apps"):
        read_exception({"apiVersion": "apps/v1"})


def test_read_keeps_no_time_without_a_zone() -> None:
    spec = {"expiresAt": "2027-01-31T12:00:00"}

    assert read_exception(foreign("policies.kyverno.io", spec)).expires_at is None


def test_parameters_do_not_matter_to_an_exception() -> None:
    other = variant(CPOL, parameters=Parameters(controls=SECCOMP_CONTROLS, message="Ask us."))
    here, there = (
        compile_exception(spec, exemption(), api_version="kyverno.io/v2", namespace="kyverno")
        for spec in (variant(CPOL), other)
    )

    assert here == there
