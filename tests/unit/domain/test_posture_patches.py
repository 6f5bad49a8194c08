"""Patches: applied as Kubernetes would apply them, the findings are gone and nothing else has changed."""

from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.controls import BASE_CONTROLS, Control, Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from policies.domain.posture import Posture, assess, fix_for, patch_for, proposed_profile
from tests.unit.domain.apparmor_cases import APPARMOR_CASES, WEB, ApparmorCase, boxed, keys, on_pod
from tests.unit.domain.localhost_cases import LOCALHOST_CASES, LocalhostCase, localhost
from tests.unit.domain.seccomp_cases import CASES, RD, UN, Case, container, pod, wrapped
from tests.unit.domain.test_posture import decoded

FOUR = Parameters(controls=BASE_CONTROLS)
DEPLOYMENT = WorkloadKind.DEPLOYMENT
OLD = ClusterFacts(kubernetes=(1, 29))


def merged(base: Any, patch: Any) -> Any:
    """Apply a strategic-merge patch in which every list of objects merges by `name`."""
    if isinstance(patch, dict):
        result = dict(base or {})
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(result.get(key), value)
        return result
    if isinstance(patch, list):
        changes = {item["name"]: item for item in patch}
        return [merged(item, changes.get(item["name"], {})) for item in base]
    return patch


def judged(
    kind: WorkloadKind,
    manifest: dict[str, Any],
    parameters: Parameters = FOUR,
    facts: ClusterFacts = TYPICAL,
) -> Posture:
    return assess(kind, decoded(kind, manifest), parameters=parameters, facts=facts)


def patch_of(
    kind: WorkloadKind,
    manifest: dict[str, Any],
    parameters: Parameters = FOUR,
    facts: ClusterFacts = TYPICAL,
) -> str:
    findings = judged(kind, manifest, parameters, facts).findings
    return patch_for(
        kind,
        "team-a",
        "case",
        decoded(kind, manifest),
        findings,
        parameters=parameters,
        facts=facts,
    )


def mended(
    kind: WorkloadKind,
    manifest: dict[str, Any],
    parameters: Parameters = FOUR,
    facts: ClusterFacts = TYPICAL,
) -> dict[str, Any]:
    patch = yaml.safe_load(patch_of(kind, manifest, parameters, facts)) or {}
    result: dict[str, Any] = merged(deepcopy(manifest), patch)
    return result


@pytest.mark.parametrize("kind", WorkloadKind)
@pytest.mark.parametrize(
    "case", [c for c in (*CASES, *APPARMOR_CASES) if not c.unreadable], ids=lambda c: c.id
)
def test_patch_of_each_case_leaves_no_finding(
    case: Case | ApparmorCase, kind: WorkloadKind
) -> None:
    annotations = keys(case.annotations) if isinstance(case, ApparmorCase) else {}
    facts = case.facts if isinstance(case, ApparmorCase) else TYPICAL

    after = mended(kind, wrapped(kind, case.spec, annotations=annotations), facts=facts)

    assert judged(kind, after, facts=facts).findings == ()


@pytest.mark.parametrize(
    "case", [c for c in LOCALHOST_CASES if not c.unreadable], ids=lambda c: c.id
)
def test_patch_of_each_localhost_case_leaves_no_finding(case: LocalhostCase) -> None:
    manifest = wrapped(DEPLOYMENT, case.spec, annotations=dict(case.annotations))

    after = mended(DEPLOYMENT, manifest, case.parameters)

    assert judged(DEPLOYMENT, after, case.parameters).findings == ()


OWN = ProfileParameters(
    types=("Localhost",), default="Localhost:team/a", allowed=("team/*",), installed=("team/a",)
)
CHOICES = (
    FOUR,
    Parameters(controls=tuple(Control)),
    Parameters(controls=tuple(Control), seccomp=OWN, apparmor=OWN),
)
PROFILES = st.sampled_from([None, RD, UN, localhost("team/a"), localhost("team/b")])
ANNOTATIONS = st.sampled_from(
    [None, "", "runtime/default", "unconfined", "odd", "localhost/", "localhost/team/a"]
)
CONTAINERS = st.lists(st.tuples(PROFILES, PROFILES, ANNOTATIONS), min_size=1, max_size=4)


@settings(deadline=None)
@given(
    seccomp=PROFILES,
    apparmor=PROFILES,
    containers=CONTAINERS,
    parameters=st.sampled_from(CHOICES),
    facts=st.sampled_from([TYPICAL, OLD]),
    kind=st.sampled_from([WorkloadKind.POD, DEPLOYMENT, WorkloadKind.CRON_JOB]),
)
def test_patch_of_any_mixture_leaves_no_finding(
    seccomp: dict[str, Any] | None,
    apparmor: dict[str, Any] | None,
    containers: list[Any],
    parameters: Parameters,
    facts: ClusterFacts,
    kind: WorkloadKind,
) -> None:
    built = [boxed(f"c{n}", a, seccompProfile=s) for n, (s, a, _) in enumerate(containers)]
    annotations = {f"c{n}": text for n, (_, _, text) in enumerate(containers) if text is not None}
    spec = pod(*built[:2], init=tuple(built[2:]), seccompProfile=seccomp, appArmorProfile=apparmor)
    manifest = wrapped(kind, spec, annotations=keys(annotations))

    after = mended(kind, manifest, parameters, facts)

    assert judged(kind, after, parameters, facts).findings == ()


def test_patch_where_nothing_is_set_sets_the_pod_only() -> None:
    manifest = wrapped(WorkloadKind.CRON_JOB, pod(container("a"), container("b")))

    patch = yaml.safe_load(patch_of(WorkloadKind.CRON_JOB, manifest))

    context = {"seccompProfile": RD, "appArmorProfile": RD}
    assert patch == {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "case", "namespace": "team-a"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": {"securityContext": context}}}}},
    }


def test_patch_on_a_cluster_without_fields_sets_annotations() -> None:
    manifest = wrapped(
        DEPLOYMENT, pod(boxed("a"), boxed("b")), annotations=keys({"b": "unconfined"})
    )

    patch = yaml.safe_load(patch_of(DEPLOYMENT, manifest, facts=OLD))

    template = patch["spec"]["template"]
    assert template["metadata"] == {
        "annotations": keys({"a": "runtime/default", "b": "runtime/default"})
    }
    assert template["spec"] == {"securityContext": {"seccompProfile": RD}}


def test_patch_turns_annotations_into_fields_when_it_sets_the_pod() -> None:
    manifest = wrapped(
        DEPLOYMENT,
        pod(boxed("a"), boxed("b"), profile=RD),
        annotations=keys({"b": "localhost/k8s-web"}),
    )

    template = yaml.safe_load(patch_of(DEPLOYMENT, manifest))["spec"]["template"]

    assert template["metadata"] == {"annotations": dict.fromkeys(keys({"b": ""}))}
    assert template["spec"] == {
        "securityContext": {"appArmorProfile": RD},
        "containers": [{"name": "b", "securityContext": {"appArmorProfile": WEB}}],
    }


def test_patch_of_an_annotation_beside_a_good_field_only_drops_it() -> None:
    manifest = wrapped(
        DEPLOYMENT, pod(boxed("c", WEB), profile=RD), annotations=keys({"c": "unconfined"})
    )

    template = yaml.safe_load(patch_of(DEPLOYMENT, manifest))["spec"]["template"]

    assert template == {"metadata": {"annotations": dict.fromkeys(keys({"c": ""}))}}


def test_patch_with_runtime_default_drops_the_path_that_stands_there() -> None:
    parameters = Parameters(controls=(Control.ALLOWED_PROFILES,))
    manifest = wrapped(DEPLOYMENT, pod(container("c", localhost("x.json"))))

    spec = yaml.safe_load(patch_of(DEPLOYMENT, manifest, parameters))["spec"]["template"]["spec"]

    (changed,) = spec["containers"]
    assert changed["securityContext"]["seccompProfile"] == {
        "localhostProfile": None,
        "type": "RuntimeDefault",
    }


def test_patch_of_an_explicit_unconfined_replaces_it_where_it_stands() -> None:
    manifest = wrapped(DEPLOYMENT, on_pod(RD, container("a"), container("b", UN), profile=RD))

    patch = yaml.safe_load(patch_of(DEPLOYMENT, manifest))

    assert patch["spec"]["template"]["spec"] == {
        "containers": [{"name": "b", "securityContext": {"seccompProfile": RD}}]
    }


def test_patch_of_a_pod_says_that_it_must_be_made_anew() -> None:
    text = patch_of(WorkloadKind.POD, wrapped(WorkloadKind.POD, pod(container("c"))))

    assert text.startswith("# A running pod cannot be changed")


def test_patch_without_findings_is_empty() -> None:
    good = wrapped(WorkloadKind.POD, on_pod(RD, container("c"), profile=RD))

    assert patch_of(WorkloadKind.POD, good) == ""


def test_patch_leaves_out_a_container_that_is_gone() -> None:
    before = wrapped(DEPLOYMENT, on_pod(RD, container("old", UN), profile=RD))
    after = decoded(DEPLOYMENT, wrapped(DEPLOYMENT, on_pod(RD, container("new", RD), profile=RD)))

    findings = judged(DEPLOYMENT, before).findings

    assert patch_for(DEPLOYMENT, "team-a", "case", after, findings) == ""


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (None, localhost("team/a")),
        (("team/a",), localhost("team/a")),
        (("team/b",), {"type": "RuntimeDefault"}),
        ((), {"type": "RuntimeDefault"}),
    ],
)
def test_proposed_profile_is_one_that_is_installed(
    installed: tuple[str, ...] | None, expected: dict[str, Any]
) -> None:
    part = ProfileParameters(default="Localhost:team/a", installed=installed)
    parameters = Parameters(controls=(Control.PROFILE_INSTALLED,), seccomp=part)

    assert proposed_profile(Mechanism.SECCOMP, parameters) == expected


@pytest.mark.parametrize(
    ("spec", "annotations", "facts", "fixes"),
    [
        (
            on_pod(RD, container("c")),
            {},
            TYPICAL,
            ["Set spec.template.spec.securityContext.seccompProfile.type: RuntimeDefault"],
        ),
        (
            on_pod(RD, container("c", UN)),
            {},
            TYPICAL,
            [
                "Set spec.template.spec.containers[0].securityContext.seccompProfile.type: RuntimeDefault"
            ],
        ),
        (
            on_pod(RD, container("c"), profile=UN),
            {},
            TYPICAL,
            ["Set spec.template.spec.securityContext.seccompProfile.type: RuntimeDefault"],
        ),
        (
            pod(boxed("c"), profile=RD),
            {"c": "unconfined"},
            TYPICAL,
            [
                "Remove spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c],"
                " and set securityContext.appArmorProfile.type: RuntimeDefault on container c"
            ],
        ),
        (
            pod(boxed("c"), profile=RD),
            {},
            OLD,
            [
                "Set spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]:"
                " runtime/default"
            ],
        ),
    ],
)
def test_fix_names_the_place_and_the_value(
    spec: dict[str, Any], annotations: dict[str, str], facts: ClusterFacts, fixes: list[str]
) -> None:
    manifest = wrapped(DEPLOYMENT, spec, annotations=keys(annotations))

    findings = judged(DEPLOYMENT, manifest, facts=facts).findings

    assert sorted({fix_for(f, FOUR, facts) for f in findings}) == fixes


def test_fix_of_a_profile_that_is_not_allowed_drops_its_path() -> None:
    parameters = Parameters(controls=(Control.ALLOWED_PROFILES,))
    manifest = wrapped(WorkloadKind.POD, pod(container("c", localhost("x.json"))))

    (finding,) = judged(WorkloadKind.POD, manifest, parameters).findings

    field = "spec.containers[0].securityContext.seccompProfile"
    assert fix_for(finding, parameters) == (
        f"Set {field}.type: RuntimeDefault, and remove {field}.localhostProfile"
    )
