"""Parameters: what is fit, what each problem is called, and their plain form."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.domain.controls import BASE_CONTROLS, SECCOMP_CONTROLS, Control
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import (
    LIST_LIMIT,
    MESSAGE_LIMIT,
    InvalidParameters,
    Parameters,
    ProfileParameters,
)


def problems(stored: object) -> dict[str, str]:
    with pytest.raises(InvalidParameters) as caught:
        Parameters.from_json(stored)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("stored", "name", "text"),
    [
        ([], "parameters", "names and values"),
        ({"seccomp": []}, "seccomp", "names and values"),
        ({"controls": []}, "controls", "at least one"),
        ({"controls": ["x"]}, "controls", "no control 'x'; there are require-seccomp"),
        ({"controls": "require-seccomp"}, "controls", "list of texts"),
        ({"colour": 1}, "colour", "no such parameter"),
        ({"failure_action": "Enforce"}, "failure_action", "starts with Audit"),
        ({"failure_action": 1}, "failure_action", "a text"),
        ({"apparmor_annotations": "yes"}, "apparmor_annotations", "true or false"),
        ({"kinds": ["Service"]}, "kinds", "no kind 'Service'"),
        ({"message": "a\nb"}, "message", "one line"),
        ({"message": "x" * (MESSAGE_LIMIT + 1)}, "message", "At most"),
        ({"excluded_namespaces": ["Team"]}, "excluded_namespaces", "'Team'"),
        ({"excluded_labels": {"a b": ""}}, "excluded_labels", "a b="),
        ({"excluded_labels": "a=b"}, "excluded_labels", "`key: value`"),
        ({"excluded_labels": [["a"]]}, "excluded_labels", "a key and a value"),
        ({"excluded_labels": {"a": 1}}, "excluded_labels", "list of texts"),
        ({"seccomp": {"types": ["Unconfined"]}}, "seccomp.types", "never be allowed"),
        ({"seccomp": {"types": []}}, "seccomp.types", "Choose among"),
        ({"seccomp": {"allowed": ["/abs.json"]}}, "seccomp.allowed", "'/abs.json'"),
        ({"seccomp": {"allowed": ["a/../b"]}}, "seccomp.allowed", "'a/../b'"),
        ({"seccomp": {"installed": ["a*"]}}, "seccomp.installed", "'a*'"),
        ({"seccomp": {"installed": "a"}}, "seccomp.installed", "list of texts"),
        ({"apparmor": {"denied": ["a b"]}}, "apparmor.denied", "loaded profile"),
        ({"apparmor": {"allowed": ["x"] * (LIST_LIMIT + 1)}}, "apparmor.allowed", "At most"),
        ({"seccomp": {"default": "Unconfined"}}, "seccomp.default", "Write RuntimeDefault"),
        ({"seccomp": {"default": "Localhost:"}}, "seccomp.default", "Write RuntimeDefault"),
        ({"seccomp": {"types": ["Localhost"]}}, "seccomp.default", "not among the allowed types"),
        ({"apparmor": {"default": "Localhost:Unconfined"}}, "apparmor.default", "confines nothing"),
        ({"seccomp": {"location": "profiles"}}, "seccomp.location", "absolute"),
        ({"seccomp": {"colour": 1}}, "seccomp.colour", "no such parameter"),
    ],
)
def test_parameters_with_a_problem_name_it(stored: object, name: str, text: str) -> None:
    assert text in problems(stored)[name]


def test_parameters_with_several_problems_name_them_all() -> None:
    found = problems({"failure_action": "Enforce", "seccomp": {"location": "x"}})

    assert set(found) == {"failure_action", "seccomp.location"}


@pytest.mark.parametrize(
    ("allowed", "denied", "fit"),
    [(["team-*"], [], True), ([], [], False), (["**"], ["team-a"], False)],
)
def test_parameters_default_must_be_an_allowed_profile(
    allowed: list[str], denied: list[str], fit: bool
) -> None:
    stored = {
        "controls": ["allowed-profiles"],
        "apparmor": {"default": "Localhost:team-a", "allowed": allowed, "denied": denied},
    }

    if fit:
        assert Parameters.from_json(stored).apparmor.default == "Localhost:team-a"
    else:
        assert "not among the allowed profiles" in problems(stored)["apparmor.default"]


def test_parameters_settle_lists_and_what_is_implied() -> None:
    settled = Parameters(
        controls=(Control.REQUIRE_SECCOMP,),
        kinds=(WorkloadKind.JOB,),
        excluded_namespaces=("b", "a", "b"),
        seccomp=ProfileParameters(location="/profiles/", allowed=("b", "a")),
    )

    assert settled.controls == SECCOMP_CONTROLS
    assert settled.kinds == (WorkloadKind.POD, WorkloadKind.JOB)
    assert settled.excluded_namespaces == ("a", "b")
    assert (settled.seccomp.location, settled.seccomp.allowed) == ("/profiles", ("a", "b"))


@pytest.mark.parametrize(
    ("labels", "excluded"),
    [(None, False), ({"tier": "x"}, True), ({"role": "debug"}, True), ({"role": "app"}, False)],
)
def test_parameters_exclude_by_value_or_by_key_alone(
    labels: dict[str, str] | None, excluded: bool
) -> None:
    parameters = Parameters(excluded_labels=(("tier", ""), ("role", "debug")))

    assert parameters.excludes(labels) is excluded


NAMES = st.lists(st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?", fullmatch=True), max_size=3).map(tuple)
PARTS = st.builds(
    ProfileParameters,
    allowed=NAMES,
    denied=NAMES,
    installed=st.none() | NAMES,
    default=st.sampled_from(["RuntimeDefault", "Localhost:p"]),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    controls=st.sets(st.sampled_from(BASE_CONTROLS), min_size=1).map(tuple),
    seccomp=PARTS,
    apparmor=PARTS,
    annotations=st.booleans(),
    labels=st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x"])),
    kinds=st.sets(st.sampled_from(WorkloadKind)).map(tuple),
)
def test_parameters_survive_their_plain_form(
    controls: Any, seccomp: Any, apparmor: Any, annotations: bool, labels: Any, kinds: Any
) -> None:
    parameters = Parameters(
        controls=controls,
        seccomp=seccomp,
        apparmor=apparmor,
        apparmor_annotations=annotations,
        excluded_labels=tuple(labels.items()),
        kinds=kinds,
        message="Ask the platform team.",
    )

    assert Parameters.from_json(parameters.to_json()) == parameters


def test_parameters_as_usual_have_a_short_plain_form() -> None:
    assert Parameters().to_json() == {"controls": [str(c) for c in SECCOMP_CONTROLS]}
