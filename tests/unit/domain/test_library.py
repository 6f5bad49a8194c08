"""The library: names, order, determinism, and what an API server would refuse."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.controls import BASE_CONTROLS, SECCOMP_CONTROLS, Control
from policies.domain.library import (
    API_VERSIONS,
    TEMPLATES,
    InvalidNamespace,
    InvalidVariant,
    ObjectRole,
    Target,
    VariantSpec,
    checks_of,
    compile_objects,
    judged_by,
    manifest_bytes,
    spec_of_manifest,
)
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from tests.contract.golden import Golden, golden_files

CPOL, VPOL, NATIVE = Target


def variant(
    target: Target = CPOL, parameters: Parameters | None = None, **changes: object
) -> VariantSpec:
    values = {"name": "seccomp", "api_version": API_VERSIONS[target][0], **changes}
    if controls := values.pop("controls", None):
        parameters = Parameters(controls=controls)
    return VariantSpec(target=target, parameters=parameters or Parameters(), **values)


@pytest.mark.parametrize("file", golden_files(), ids=lambda f: f.name)
def test_compile_gives_the_golden_bytes(file: Golden) -> None:
    assert file.path.read_bytes() == file.content, "python -m tests.contract.golden writes them"


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (CPOL, ["seccomp", "seccomp-enforce"]),
        (VPOL, ["seccomp", "seccomp-enforce", "seccomp-enforce-debug"]),
        (NATIVE, ["seccomp", "seccomp-audit", "seccomp-enforce"]),
    ],
)
def test_compile_with_one_namespace_gives_audit_policy_and_twin(
    target: Target, names: list[str]
) -> None:
    compiled = compile_objects(variant(target), ["team-a"])

    assert [c.name for c in compiled] == names
    denying = {ObjectRole.TWIN, ObjectRole.COMPANION}
    assert all(c.namespaces == (("team-a",) if c.role in denying else ()) for c in compiled)
    for c in compiled:
        assert (c.manifest["kind"], c.manifest["apiVersion"]) == (c.kind, c.api_version)
        assert c.manifest["metadata"]["name"] == c.name
        assert c.manifest["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "secprof",
            "secprof.io/variant": "seccomp",
            "secprof.io/role": str(c.role),
        }


@pytest.mark.parametrize("target", Target)
def test_compile_without_namespaces_gives_nothing_that_denies(target: Target) -> None:
    roles = [c.role for c in compile_objects(variant(target), ())]

    assert roles == [ObjectRole.AUDIT, *[ObjectRole.BINDING] * (target is NATIVE)]


def test_compile_past_a_thousand_namespaces_adds_a_binding() -> None:
    compiled = compile_objects(variant(NATIVE), [f"ns-{number:04}" for number in range(1001)])

    assert [(c.name, len(c.namespaces)) for c in compiled[2:]] == [
        ("seccomp-enforce", 1000),
        ("seccomp-enforce-2", 1),
    ]


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

    for target in (CPOL, VPOL):
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
    swapped = variant(target, controls=(*reversed(SECCOMP_CONTROLS), *SECCOMP_CONTROLS))

    first = [manifest_bytes(c.manifest) for c in compile_objects(variant(target), namespaces)]
    second = [manifest_bytes(c.manifest) for c in compile_objects(swapped, shuffled)]

    assert first == second


@pytest.mark.parametrize("name", ["", "A", "a b", "a']", "-a", "a-", "a.b", "x" * 64, "*"])
def test_compile_refuses_what_is_no_namespace(name: str) -> None:
    with pytest.raises(InvalidNamespace):
        compile_objects(variant(), [name])


def test_compile_refuses_to_deny_in_an_excluded_namespace() -> None:
    spec = variant(parameters=Parameters(excluded_namespaces=("storage",)))

    with pytest.raises(InvalidNamespace, match="storage"):
        compile_objects(spec, ["storage"])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "Seccomp"},
        {"name": "x" * 41},
        {"name": "seccomp-enforce"},
        {"name": "seccomp-enforce-2"},
        {"name": "seccomp-enforce-debug"},
        {"name": "seccomp-audit"},
        {"template": "selinux"},
        {"template": "apparmor"},
        {"api_version": "kyverno.io/v2beta1"},
        {"parameters": Parameters(message="Ask {{ team }}")},
        {"parameters": Parameters(message="Ask $(team)")},
        {"controls": (Control.REQUIRE_APPARMOR,)},
    ],
)
def test_variant_with_a_wrong_parameter_says_which(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidVariant, match=r"\.$"):
        variant(**changes)


@pytest.mark.parametrize("target", Target)
def test_variant_of_one_control_has_one_check(target: Target) -> None:
    spec = variant(target, controls=(Control.DENY_UNCONFINED_SECCOMP,))

    policy = compile_objects(spec, ())[0].manifest["spec"]

    assert len(policy.get("validations") or policy["rules"]) == 1
    assert "withoutSeccomp" not in str(policy)


LONGEST = "x" * 40


@pytest.mark.parametrize("template", TEMPLATES)
def test_messages_fit_into_a_truncated_warning(template: str) -> None:
    controls = TEMPLATES[template].controls
    spec = variant(name=LONGEST, template=template, controls=controls)

    for check in checks_of(spec):
        assert len(f"policy {LONGEST}.{check.control}: {check.message_for(['app'])}") <= 256


def test_message_for_many_names_is_cut() -> None:
    (check, *_) = checks_of(variant())

    text = check.message_for(f"container-{number}" for number in range(100))

    assert "container-1, container-2, " in text
    assert len(text) < 400


def test_no_expression_is_null_safe_by_comparing_with_null() -> None:
    for target in Target:
        for c in compile_objects(variant(target), ["team-a"]):
            assert b"null" not in manifest_bytes(c.manifest)


@pytest.mark.parametrize("target", Target)
def test_spec_of_manifest_reads_back_what_was_compiled(target: Target) -> None:
    parameters = Parameters(
        controls=(*BASE_CONTROLS, Control.ALLOWED_PROFILES),
        seccomp=ProfileParameters(allowed=("operator/*.json",)),
        excluded_labels=(("tier", "node"), ("exempt", "")),
        kinds=(WorkloadKind.DEPLOYMENT,),
        message="It's quick.",
    )
    spec = variant(target, parameters, template="confined-pods")

    for c in compile_objects(spec, ["team-a"]):
        assert spec_of_manifest(c.manifest) == spec


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"template": "seccomp", "x": 1}'])
def test_spec_of_manifest_that_says_nonsense_is_none(text: str | None) -> None:
    manifest = compile_objects(variant(), ())[0].manifest
    manifest["metadata"]["annotations"] = {"secprof.io/parameters": text}

    assert spec_of_manifest(manifest) is None


@pytest.mark.parametrize("manifest", [{}, {"kind": "ClusterPolicy"}, {"metadata": []}])
def test_spec_of_manifest_of_a_foreign_object_is_none(manifest: dict[str, object]) -> None:
    assert spec_of_manifest(manifest) is None


@pytest.mark.parametrize(("length", "ending"), [(230, ""), (20, "*")])
def test_compile_too_many_profiles_is_refused(length: int, ending: str) -> None:
    patterns = tuple(f"profiles/{number:03}-{'x' * length}{ending}" for number in range(500))
    part = ProfileParameters(allowed=patterns)
    spec = variant(parameters=Parameters(controls=(Control.ALLOWED_PROFILES,), seccomp=part))

    with pytest.raises(InvalidVariant, match="too long"):
        compile_objects(spec, ())


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        (CPOL, {WorkloadKind.POD_TEMPLATE, WorkloadKind.REPLICA_SET}),
        (
            VPOL,
            {
                WorkloadKind.POD_TEMPLATE,
                WorkloadKind.REPLICA_SET,
                WorkloadKind.REPLICATION_CONTROLLER,
            },
        ),
        (NATIVE, set()),
    ],
)
def test_judged_by_leaves_out_what_the_kind_of_policy_does_not_see(
    target: Target, missing: set[WorkloadKind]
) -> None:
    assert set(WorkloadKind) - set(judged_by(variant(target))) == missing


def test_compile_for_some_kinds_says_so_in_the_words_of_each_kind_of_policy() -> None:
    parameters = Parameters(kinds=(WorkloadKind.DEPLOYMENT, WorkloadKind.CRON_JOB))

    cpol, vpol, native = (
        compile_objects(variant(target, parameters), ())[0].manifest for target in Target
    )

    autogen = "pod-policies.kyverno.io/autogen-controllers"
    assert cpol["metadata"]["annotations"][autogen] == "Deployment,CronJob"
    controllers = vpol["spec"]["autogen"]["podControllers"]["controllers"]
    assert controllers == ["deployments", "cronjobs"]
    rules = native["spec"]["matchConstraints"]["resourceRules"]
    assert [plural for rule in rules for plural in rule["resources"]] == [
        "pods",
        "pods/ephemeralcontainers",
        "deployments",
        "cronjobs",
    ]


def test_compile_for_pods_alone_switches_autogen_off() -> None:
    parameters = Parameters(kinds=(WorkloadKind.POD,))

    cpol, vpol = (
        compile_objects(variant(target, parameters), ())[0].manifest for target in (CPOL, VPOL)
    )

    autogen = "pod-policies.kyverno.io/autogen-controllers"
    assert cpol["metadata"]["annotations"][autogen] == "none"
    assert vpol["spec"]["autogen"]["podControllers"]["controllers"] == []
