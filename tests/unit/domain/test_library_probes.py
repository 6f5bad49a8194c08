"""The probe pods: the bad one fails its variant and nothing wider, the good one passes under every set of parameters."""

from dataclasses import replace

import pytest

from policies.domain.controls import Control
from policies.domain.library import TEMPLATES, InvalidVariant, VariantSpec, probe_pods
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from policies.domain.posture import assess
from tests.unit.domain.test_library import variant
from tests.unit.domain.test_posture import decoded

C1, C2, C3, C4, C5, C6 = Control
ONLY_OWN = ProfileParameters(types=("Localhost",), default="Localhost:web.json")


def failed(spec: VariantSpec, pod: dict[str, object]) -> set[Control]:
    posture = assess(
        WorkloadKind.POD,
        decoded(WorkloadKind.POD, pod),
        parameters=spec.parameters,
        mechanisms=spec.mechanisms,
    )
    return {finding.control for finding in posture.findings}


@pytest.mark.parametrize(
    ("template", "parameters", "expected"),
    [
        ("seccomp", Parameters(), {C1}),
        ("seccomp", Parameters(controls=(C2,)), {C2}),
        ("seccomp", Parameters(controls=(C6,)), {C6}),
        ("seccomp", Parameters(controls=(C5,), seccomp=ProfileParameters(installed=())), {C5}),
        ("seccomp", Parameters(seccomp=ONLY_OWN), {C1}),
        (
            "seccomp",
            Parameters(
                controls=(C1, C6),
                seccomp=ProfileParameters(
                    types=("Localhost",),
                    default="Localhost:operator/web.json",
                    allowed=("operator/*.json",),
                ),
            ),
            {C1},
        ),
        ("apparmor", Parameters(controls=(C3,)), {C3}),
        ("apparmor", Parameters(controls=(C4,)), {C4}),
        ("confined-pods", Parameters(controls=(C1, C3)), {C3}),
        ("seccomp", Parameters(excluded_labels=(("app.kubernetes.io/managed-by", ""),)), {C1}),
    ],
)
def test_probe_pods_fail_one_control_and_none(
    template: str, parameters: Parameters, expected: set[Control]
) -> None:
    spec = variant(parameters=parameters, template=template)

    probes = probe_pods(spec)

    assert failed(spec, probes.bad) == expected
    assert failed(spec, probes.good) == set()


def test_probe_pods_of_one_mechanism_satisfy_the_other_variants() -> None:
    others = variant(parameters=Parameters(controls=(C3,)), template="apparmor")

    for pod in (probe_pods(variant()).bad, probe_pods(variant()).good):
        assert failed(others, pod) == set()


@pytest.mark.parametrize("template", TEMPLATES)
def test_probe_pods_meet_the_restricted_standard_but_for_profiles(template: str) -> None:
    controls = TEMPLATES[template].controls
    probes = probe_pods(variant(parameters=Parameters(controls=controls), template=template))

    for pod in (probes.bad, probes.good):
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (Parameters(controls=(C5,)), "refuse no pod"),
        (
            Parameters(controls=(C6,), seccomp=ProfileParameters(allowed=("**",))),
            "refuse no pod",
        ),
        (
            Parameters(controls=(C1, C5), seccomp=replace(ONLY_OWN, installed=())),
            "admit no pod",
        ),
    ],
)
def test_probe_pods_that_cannot_prove_anything_are_refused(
    parameters: Parameters, words: str
) -> None:
    with pytest.raises(InvalidVariant, match=words):
        probe_pods(variant(parameters=parameters))
