"""Posture: every AppArmor case by its id, and what takes effect where nodes or runtimes differ."""

from typing import Any

import pytest

from policies.domain.controls import APPARMOR_CONTROLS, Control, Mechanism
from policies.domain.facts import TYPICAL, ClusterFacts
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from policies.domain.posture import (
    Effective,
    Grade,
    Posture,
    ProfilePosture,
    Result,
    Source,
    UnreadablePodSpec,
    Weakness,
    assess,
)
from tests.unit.domain.apparmor_cases import (
    APPARMOR_CASES,
    RD,
    UN,
    WEB,
    ApparmorCase,
    boxed,
    keys,
    on_pod,
)
from tests.unit.domain.seccomp_cases import pod, wrapped
from tests.unit.domain.test_posture import decoded

PARAMETERS = Parameters(controls=APPARMOR_CONTROLS)
C3, C4 = APPARMOR_CONTROLS


def judged(
    spec: dict[str, Any],
    *,
    facts: ClusterFacts = TYPICAL,
    annotations: dict[str, str] | None = None,
    parameters: Parameters = PARAMETERS,
) -> Posture:
    manifest = wrapped(WorkloadKind.POD, spec, annotations=keys(annotations or {}))
    workload = decoded(WorkloadKind.POD, manifest)
    return assess(WorkloadKind.POD, workload, parameters=parameters, facts=facts)


def effect(spec: dict[str, Any], **facts: Any) -> ProfilePosture:
    return judged(spec, facts=ClusterFacts(**facts)).containers[0].apparmor


@pytest.mark.parametrize(
    "case", [c for c in APPARMOR_CASES if not c.unreadable], ids=lambda c: c.id
)
def test_assess_case_gives_both_controls_and_the_effective_profile(case: ApparmorCase) -> None:
    workload = decoded(case.kind, case.manifest())

    posture = assess(case.kind, workload, parameters=PARAMETERS, facts=case.facts)

    failed = {finding.control for finding in posture.findings}
    assert (C3 not in failed) is case.c3
    assert (C4 not in failed) is case.c4
    assert {c.name: c.apparmor.effective for c in posture.containers} == case.effective
    assert {f.mechanism for f in posture.findings} <= {Mechanism.APPARMOR}


@pytest.mark.parametrize("case", [c for c in APPARMOR_CASES if c.unreadable], ids=lambda c: c.id)
def test_assess_unjudgeable_case_raises(case: ApparmorCase) -> None:
    with pytest.raises(UnreadablePodSpec):
        assess(case.kind, decoded(case.kind, case.manifest()), parameters=PARAMETERS)


def test_cases_are_complete() -> None:
    assert [case.id for case in APPARMOR_CASES] == [f"A{number:02}" for number in range(1, 36)]


@pytest.mark.parametrize(
    ("spec", "facts", "effective", "grade", "source"),
    [
        (pod(boxed("c", RD)), {}, Effective.RUNTIME_DEFAULT, Grade.GOOD, Source.CONTAINER),
        (on_pod(RD, boxed("c")), {}, Effective.RUNTIME_DEFAULT, Grade.GOOD, Source.POD),
        (pod(boxed("c", WEB)), {}, "Localhost:k8s-web", Grade.UNKNOWN, Source.CONTAINER),
        (pod(boxed("c")), {}, Effective.IMPLICIT_DEFAULT, Grade.IMPLICIT, Source.KUBELET),
        (
            pod(boxed("c")),
            {"apparmor_nodes": False},
            Effective.UNSET,
            Grade.NONE,
            Source.NOTHING,
        ),
        (
            pod(boxed("c")),
            {"apparmor_nodes": None},
            Effective.UNKNOWN,
            Grade.UNKNOWN,
            Source.NOTHING,
        ),
        (
            pod(boxed("c", RD)),
            {"apparmor_nodes": None},
            Effective.UNKNOWN,
            Grade.UNKNOWN,
            Source.CONTAINER,
        ),
        (
            pod(boxed("c", UN)),
            {"apparmor_nodes": None},
            Effective.UNCONFINED,
            Grade.NONE,
            Source.CONTAINER,
        ),
        (
            pod(boxed("c", WEB, privileged=True)),
            {"runtime": "cri-o"},
            Effective.PRIVILEGED,
            Grade.NONE,
            Source.PRIVILEGED,
        ),
        (
            pod(boxed("c", {"type": "Localhost", "localhostProfile": "unconfined"})),
            {"runtime": "cri-o"},
            Effective.UNCONFINED,
            Grade.NONE,
            Source.CONTAINER,
        ),
    ],
)
def test_apparmor_takes_effect_as_the_node_and_the_runtime_decide(
    spec: dict[str, Any], facts: dict[str, Any], effective: str, grade: Grade, source: Source
) -> None:
    found = effect(spec, **facts)

    assert (found.effective, found.grade, found.source) == (effective, grade, source)


def test_annotation_of_a_container_is_its_source_and_its_path() -> None:
    posture = judged(pod(boxed("c")), annotations={"c": "unconfined"})

    assert posture.containers[0].apparmor.source is Source.ANNOTATION
    assert {f.path for f in posture.findings} == {
        "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]"
    }


def test_annotation_of_an_ephemeral_container_does_not_count() -> None:
    spec = pod(boxed("c", RD), ephemeral=(boxed("debug"),))

    posture = judged(spec, annotations={"debug": "runtime/default"})

    assert dict(posture.results)[C3] is Result.FAIL


def test_annotations_that_the_cluster_ignores_are_dead_and_meet_nothing() -> None:
    parameters = Parameters(controls=APPARMOR_CONTROLS, apparmor_annotations=False)
    annotations = {"a": "runtime/default", "b": "unconfined"}

    posture = judged(
        pod(boxed("a"), boxed("b", RD)), annotations=annotations, parameters=parameters
    )

    assert posture.results == ((C3, Result.FAIL), (C4, Result.PASS))
    assert posture.dead_annotations == tuple(keys(annotations))
    assert [h.weakness for h in posture.hardening].count(Weakness.DEAD_ANNOTATION) == 2


@pytest.mark.parametrize(
    "profile",
    [
        {"type": "Localhost"},
        {"type": "Localhost", "localhostProfile": ""},
        {"type": "Localhost", "localhostProfile": "x" * 4096},
        {"type": "RuntimeDefault", "localhostProfile": "k8s-web"},
    ],
)
def test_apparmor_profile_that_the_api_refuses_is_unreadable(profile: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePodSpec, match="securityContext.appArmorProfile"):
        judged(on_pod(profile, boxed("c")))


def test_apparmor_with_one_type_fails_the_other_and_says_so() -> None:
    strict = Parameters(
        controls=APPARMOR_CONTROLS,
        apparmor=ProfileParameters(types=("Localhost",), default="Localhost:k8s-web"),
    )

    posture = judged(pod(boxed("c", RD)), parameters=strict)

    assert [f.control for f in posture.findings] == [Control.REQUIRE_APPARMOR]
    assert posture.findings[0].message.endswith("is RuntimeDefault: set Localhost.")
