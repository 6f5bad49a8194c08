"""Which kind of policy fits a cluster, and what is refused with a reason."""

import pytest

from policies.domain.controls import Mechanism
from policies.domain.library import API_VERSIONS, Target
from policies.domain.library.targets import (
    TargetFacts,
    cautions,
    choices,
    choose,
    unsafe,
    version_of,
)

CPOL, VPOL, NATIVE = Target
SECCOMP, BOTH = (Mechanism.SECCOMP,), tuple(Mechanism)
EVERYTHING = frozenset((t, version) for t in Target for version in API_VERSIONS[t])
V1, V1BETA1, V1ALPHA1 = API_VERSIONS[VPOL]


def cluster(kyverno: str, kubernetes: tuple[int, int] = (1, 34), **more: object) -> TargetFacts:
    facts = {"served": EVERYTHING, "has_kyverno": bool(kyverno)} | more
    return TargetFacts(kubernetes=kubernetes, kyverno=version_of(kyverno), **facts)


@pytest.mark.parametrize(
    ("facts", "target", "version"),
    [
        (cluster("v1.19.1"), VPOL, V1),
        (cluster("1.17.0"), VPOL, V1),
        (cluster("1.16.3"), CPOL, "kyverno.io/v1"),
        (cluster("1.13.4"), CPOL, "kyverno.io/v1"),
        (cluster("1.20.0"), VPOL, V1),
        (cluster("1.19.1", served=frozenset({(VPOL, V1BETA1)})), VPOL, V1BETA1),
        (cluster("1.19.1", served=EVERYTHING - {(VPOL, V1)}), VPOL, V1BETA1),
        (cluster(""), NATIVE, "admissionregistration.k8s.io/v1"),
        (cluster("1.10.3"), NATIVE, "admissionregistration.k8s.io/v1"),
        (cluster("1.12.6", (1, 27), served=EVERYTHING), None, ""),
        (cluster("", (1, 29)), None, ""),
        (cluster("", has_kyverno=True), VPOL, V1),
        (cluster("", has_kyverno=True, served=frozenset({(VPOL, V1BETA1)})), VPOL, V1BETA1),
    ],
)
def test_choose_takes_the_kind_that_fits(
    facts: TargetFacts, target: Target | None, version: str
) -> None:
    choice = choose(facts, SECCOMP)

    assert (choice and choice.target) == target
    if choice:
        assert choice.api_version == version
        assert choice.reason.endswith(".")


def test_choices_leave_out_what_is_unsafe_and_recommend_one() -> None:
    found = choices(cluster("1.20.1"), SECCOMP)

    assert {choice.target for choice in found} == {VPOL, NATIVE}
    assert [choice.recommended for choice in found] == [True, *[False] * (len(found) - 1)]


@pytest.mark.parametrize(
    ("target", "facts", "words"),
    [
        (CPOL, cluster("1.20.0"), "rollback"),
        (CPOL, cluster("1.10.7"), "no CEL rules"),
        (CPOL, cluster("1.12.6"), "failure action per rule"),
        (VPOL, cluster("1.13.4"), "no ValidatingPolicies"),
        (CPOL, cluster("1.13.4", (1, 27)), "conditions"),
        (VPOL, cluster("1.19.1", (1, 27)), "conditions"),
        (NATIVE, cluster("", (1, 29)), "1.30"),
        (CPOL, cluster(""), "No Kyverno"),
        (VPOL, cluster("1.19.1", kubernetes=None), "not known"),
        (VPOL, cluster("1.19.1", served=frozenset()), "does not serve"),
        (
            VPOL,
            cluster("1.19.1", kyverno_versions=((1, 18, 2), (1, 19, 1))),
            "1.18.2, 1.19.1",
        ),
    ],
)
def test_unsafe_says_why(target: Target, facts: TargetFacts, words: str) -> None:
    reason = unsafe(target, API_VERSIONS[target][0], facts, SECCOMP)

    assert reason is not None
    assert words in reason


@pytest.mark.parametrize("target", Target)
def test_unsafe_where_apparmor_fields_are_dropped(target: Target) -> None:
    facts = cluster("1.19.1", (1, 29))

    assert "appArmorProfile" in str(unsafe(target, API_VERSIONS[target][0], facts, BOTH))


def test_unsafe_is_silent_about_patches_of_one_version() -> None:
    facts = cluster("1.19.1", kyverno_versions=((1, 19, 0), (1, 19, 1)))

    assert unsafe(VPOL, V1, facts, BOTH) is None


@pytest.mark.parametrize(
    ("target", "kyverno", "words"),
    [
        (CPOL, "1.19.1", "deprecated"),
        (CPOL, "1.13.1", "1.13.2"),
        (VPOL, "1.15.0", "not stable"),
        (VPOL, "1.18.2", "webhook"),
        (VPOL, "1.18.1", "has been tried"),
        (NATIVE, "", "no reports"),
    ],
)
def test_cautions_do_not_forbid(target: Target, kyverno: str, words: str) -> None:
    facts = cluster(kyverno)

    assert any(words in caution for caution in cautions(target, facts))


def test_kyverno_without_a_version_is_a_caution_and_no_hazard() -> None:
    facts = cluster("sha256-abc", has_kyverno=True)

    assert unsafe(CPOL, "kyverno.io/v1", facts, SECCOMP) is None
    assert any("not known" in caution for caution in cautions(CPOL, facts))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.19.1", (1, 19, 1)),
        ("1.13", (1, 13, 0)),
        ("1.20.0-rc.1", (1, 20, 0)),
        ("latest", None),
        ("", None),
    ],
)
def test_version_of_reads_tags(text: str, version: tuple[int, int, int] | None) -> None:
    assert version_of(text) == version
