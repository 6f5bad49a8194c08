"""Posture of Localhost profiles: every case of C6 by its id, and C5 against a list of installed profiles."""

from typing import Any

import pytest

from policies.domain.controls import Control, Mechanism
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from policies.domain.posture import Grade, Posture, Result, UnreadablePodSpec, assess
from tests.unit.domain.apparmor_cases import WEB, boxed
from tests.unit.domain.localhost_cases import (
    ALLOWING,
    LOCALHOST_CASES,
    LocalhostCase,
    localhost,
)
from tests.unit.domain.seccomp_cases import LH, RD, UN, container, pod, wrapped
from tests.unit.domain.test_posture import decoded

C5, C6 = Control.PROFILE_INSTALLED, Control.ALLOWED_PROFILES


def judged(spec: dict[str, Any], parameters: Parameters, **more: Any) -> Posture:
    workload = decoded(WorkloadKind.POD, wrapped(WorkloadKind.POD, spec))
    return assess(WorkloadKind.POD, workload, parameters=parameters, **more)


def case_posture(case: LocalhostCase) -> Posture:
    manifest = wrapped(WorkloadKind.POD, case.spec, annotations=dict(case.annotations))
    workload = decoded(WorkloadKind.POD, manifest)
    return assess(WorkloadKind.POD, workload, parameters=case.parameters)


@pytest.mark.parametrize(
    "case", [c for c in LOCALHOST_CASES if not c.unreadable], ids=lambda c: c.id
)
def test_allowed_profiles_case_has_its_result(case: LocalhostCase) -> None:
    expected = Result.PASS if case.c6 else Result.FAIL

    assert case_posture(case).results == ((C6, expected),)


@pytest.mark.parametrize("case", [c for c in LOCALHOST_CASES if c.unreadable], ids=lambda c: c.id)
def test_allowed_profiles_case_that_the_api_refuses_raises(case: LocalhostCase) -> None:
    with pytest.raises(UnreadablePodSpec):
        case_posture(case)


def test_cases_are_complete() -> None:
    assert [case.id for case in LOCALHOST_CASES] == [f"L{number:02}" for number in range(1, 25)]


@pytest.mark.parametrize("name", ["unconfined", "Unconfined", "UNCONFINED"])
def test_allowed_profiles_never_allow_the_word_unconfined(name: str) -> None:
    anything = Parameters(controls=(C6,), apparmor=ProfileParameters(allowed=("**",)))

    assert judged(pod(boxed("c", localhost(name))), anything).results == ((C6, Result.FAIL),)


def test_allowed_profiles_without_localhost_is_not_applicable() -> None:
    assert judged(pod(container("c", RD)), ALLOWING).results == ((C6, Result.NOT_APPLICABLE),)


def test_allowed_profiles_finding_names_the_field_and_the_profile() -> None:
    (finding,) = judged(pod(container("c", localhost("x.json"))), ALLOWING).findings

    assert finding.path == "spec.containers[0].securityContext.seccompProfile.localhostProfile"
    assert "'x.json' of container c" in finding.message


def installed(*files: str, names: tuple[str, ...] | None = None) -> Parameters:
    return Parameters(
        controls=(C5,),
        seccomp=ProfileParameters(installed=files),
        apparmor=ProfileParameters(installed=names),
    )


UNKNOWN = Parameters(controls=(C5,))


@pytest.mark.parametrize(
    ("spec", "parameters", "result"),
    [
        (pod(container("c", LH)), installed("p.json"), Result.PASS),
        (pod(container("c", LH)), installed("P.json"), Result.FAIL),  # P19
        (pod(container("c", LH)), installed(), Result.FAIL),
        (pod(container("c", LH)), UNKNOWN, Result.UNKNOWN),  # P14
        (pod(container("c", RD)), installed(), Result.NOT_APPLICABLE),  # P20
        (pod(container("c", LH), os="windows"), installed(), Result.NOT_APPLICABLE),  # P21
        (pod(container("c", UN), profile=LH), installed(), Result.NOT_APPLICABLE),
        (pod(container("c"), profile=LH), installed(), Result.FAIL),
        (pod(boxed("c", WEB, seccompProfile=LH)), installed("p.json"), Result.UNKNOWN),  # P22
        (pod(boxed("c", WEB, seccompProfile=LH)), installed(), Result.FAIL),  # P22
        (
            pod(boxed("c", localhost("localhost/k8s-web"))),
            installed(names=("k8s-web",)),
            Result.FAIL,
        ),  # P17
        (
            pod(container("c", localhost("operator/ns/a.json"))),
            installed("operator/a.json"),
            Result.FAIL,
        ),  # P10
    ],
)
def test_profile_installed_compares_declared_profiles_with_the_list(
    spec: dict[str, Any], parameters: Parameters, result: Result
) -> None:
    assert judged(spec, parameters).results == ((C5, result),)


def test_profile_installed_finding_of_an_inherited_profile_names_container_and_pod_field() -> None:
    (finding,) = judged(pod(container("c"), profile=LH), installed()).findings

    assert finding.container == "c"
    assert finding.path == "spec.securityContext.seccompProfile.localhostProfile"


def test_localhost_controls_look_at_the_mechanisms_asked_alone() -> None:
    spec = pod(boxed("c", WEB, seccompProfile=LH))
    both = Parameters(
        controls=(C5, C6), seccomp=ProfileParameters(installed=("p.json",), allowed=("*",))
    )

    posture = judged(spec, both, mechanisms=(Mechanism.SECCOMP,))

    assert posture.results == ((C5, Result.PASS), (C6, Result.PASS))


@pytest.mark.parametrize(
    ("parameters", "grade"),
    [(installed("p.json"), Grade.STRONG), (UNKNOWN, Grade.UNKNOWN), (installed(), Grade.UNKNOWN)],
)
def test_grade_of_a_localhost_profile_is_strong_only_where_it_is_known_to_be(
    parameters: Parameters, grade: Grade
) -> None:
    posture = judged(pod(container("c", LH)), parameters)

    assert posture.containers[0].seccomp.grade is grade
