"""Which exceptions an engine heeds, by version, kind and flags: nothing unknown is said to be heeded."""

from collections.abc import Mapping

import pytest

from policies.domain.engines import Component, ControllerSettings, Version, read_settings
from policies.domain.exceptions import ExceptionKind, agreed_namespace, exception_support

RULES, POLICIES = ExceptionKind
ON = "--enablePolicyException"
WHERE = "--exceptionNamespace"
NEWEST = (1, 19, 1)


def settings(
    component: Component = Component.ADMISSION,
    flags: Mapping[str, str] | None = None,
    version: Version | None = NEWEST,
) -> ControllerSettings:
    return ControllerSettings(component, "kyverno", f"kyverno-{component}", version, flags)


def both(
    flags: Mapping[str, str] | None, version: Version | None = NEWEST
) -> tuple[ControllerSettings, ...]:
    return tuple(settings(component, flags, version) for component in Component)


ENABLED = {ON: "true"}


@pytest.mark.parametrize(
    ("kind", "version", "flags", "honoured", "in_reports", "namespaces"),
    [
        # Off by default since 1.13, on before
        (RULES, NEWEST, {}, False, False, ()),
        (POLICIES, NEWEST, {}, False, False, ()),
        (RULES, (1, 12, 0), {}, True, True, None),
        (RULES, (1, 11, 4), {}, True, True, None),
        (RULES, (1, 10, 0), {}, False, False, ()),
        (RULES, (1, 13, 0), {ON: "false"}, False, False, ()),
        # The namespace of rules' exceptions
        (RULES, NEWEST, {ON: "true", WHERE: "*"}, True, True, None),
        (RULES, NEWEST, {ON: "true", WHERE: "kyverno"}, True, True, ("kyverno",)),
        (RULES, NEWEST, {ON: "true", WHERE: "other"}, False, False, ("other",)),
        (RULES, NEWEST, ENABLED, False, False, ()),
        (RULES, (1, 13, 0), {ON: "true", WHERE: ""}, False, False, ()),
        (RULES, (1, 12, 0), ENABLED, True, True, None),
        # That of policies' exceptions, one meaning since 1.17
        (POLICIES, (1, 17, 0), ENABLED, True, True, None),
        (POLICIES, NEWEST, {ON: "true", WHERE: "*"}, True, True, None),
        (POLICIES, NEWEST, {ON: "true", WHERE: "kyverno"}, True, True, ("kyverno",)),
        (POLICIES, NEWEST, {ON: "true", WHERE: "other"}, False, False, ("other",)),
        (POLICIES, (1, 16, 3), {ON: "true", WHERE: "other"}, True, False, None),
        (POLICIES, (1, 16, 3), {ON: "true", WHERE: "*"}, True, False, None),
        (POLICIES, (1, 16, 3), {ON: "true", WHERE: "kyverno"}, True, True, None),
        (POLICIES, (1, 15, 0), ENABLED, True, True, None),
        # What is not known
        (RULES, NEWEST, None, None, None, ()),
        (RULES, None, {}, None, None, ()),
        (RULES, None, ENABLED, None, None, ()),
        (POLICIES, None, ENABLED, None, None, ()),
        (POLICIES, None, {ON: "true", WHERE: "*"}, None, None, ()),
        (RULES, None, {ON: "true", WHERE: "*"}, True, True, None),
        (RULES, None, {ON: "true", WHERE: "kyverno"}, True, True, ("kyverno",)),
        (RULES, NEWEST, {ON: "$(POLEX)"}, None, None, ()),
        (RULES, NEWEST, {ON: "true", WHERE: "$(POLEX_NS)"}, None, None, ()),
    ],
)
def test_support_by_version_and_flags(
    kind: ExceptionKind,
    version: Version | None,
    flags: Mapping[str, str] | None,
    honoured: bool | None,
    in_reports: bool | None,
    namespaces: tuple[str, ...] | None,
) -> None:
    found = exception_support(both(flags, version), kind, "kyverno")

    assert (found.honoured, found.in_reports, found.namespaces) == (
        honoured,
        in_reports,
        namespaces,
    )


def test_support_names_the_setting_and_the_deployment() -> None:
    found = exception_support(both({}), RULES, "kyverno")

    assert found.sentence == (
        "An exception of kyverno.io in the namespace kyverno would be stored and do nothing."
        " Set --enablePolicyException=true in the Deployment kyverno/kyverno-admission-controller."
        " Set --enablePolicyException=true in the Deployment kyverno/kyverno-reports-controller."
    )


def test_support_names_the_namespace_that_counts() -> None:
    found = exception_support(both({ON: "true", WHERE: "polex"}), POLICIES, "kyverno")

    assert (
        "--exceptionNamespace of the Deployment kyverno/kyverno-admission-controller is polex"
        in (found.sentence)
    )


def test_support_tells_when_only_reports_are_set_otherwise() -> None:
    controllers = (
        settings(Component.ADMISSION, {ON: "true", WHERE: "*"}),
        settings(Component.REPORTS, {}),
    )

    found = exception_support(controllers, RULES, "kyverno")

    assert (found.honoured, found.in_reports) == (True, False)
    assert "reports go on to say fail" in found.sentence
    assert "Set --enablePolicyException=true in the Deployment kyverno/kyverno-reports" in (
        found.sentence
    )


def test_support_without_any_controller_is_unknown() -> None:
    found = exception_support((), RULES, "kyverno")

    assert (found.honoured, found.in_reports) == (None, None)
    assert "not known" in found.sentence
    assert "admission-controller was not found" in found.sentence


def test_support_without_the_reports_controller_promises_nothing_of_reports() -> None:
    admission = settings(Component.ADMISSION, {ON: "true", WHERE: "*"})

    found = exception_support((admission,), RULES, "kyverno")

    assert (found.honoured, found.in_reports) == (True, None)
    assert "may go on to say fail" in found.sentence


@pytest.mark.parametrize(
    ("flags", "agreed"),
    [
        ({ON: "true", WHERE: "polex"}, "polex"),
        ({ON: "true", WHERE: "*"}, "kyverno"),
        ({ON: "true"}, "kyverno"),
        ({}, "kyverno"),
        (None, "kyverno"),
    ],
)
def test_agreed_namespace_is_the_one_that_the_engine_names(
    flags: Mapping[str, str] | None, agreed: str
) -> None:
    assert agreed_namespace(both(flags), RULES, "kyverno") == agreed
    assert agreed_namespace((), RULES, "kyverno") == "kyverno"


# Reading the command line


def deployment(**container: object) -> dict[str, object]:
    return {
        "metadata": {
            "name": "kyverno-admission-controller",
            "namespace": "kyverno",
            "labels": {"app.kubernetes.io/component": "admission-controller"},
        },
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "sidecar", "image": "x:1"},
                        {"name": "kyverno", "image": "reg.kyverno.io/k/kyverno:v1.19.1"}
                        | container,
                    ]
                }
            }
        },
    }


@pytest.mark.parametrize(
    ("container", "flags"),
    [
        ({"args": ["--enablePolicyException=true", "-x"]}, {ON: "true", "--x": "true"}),
        ({"args": ["-enablePolicyException"]}, {ON: "true"}),
        ({"args": ["--exceptionNamespace", "polex", "--v=2"]}, {WHERE: "polex", "--v": "2"}),
        ({"args": ["--v=2", "--v=4"]}, {"--v": "4"}),
        ({"args": [f"{WHERE}="]}, {WHERE: ""}),
        ({"command": ["/kyverno", f"{WHERE}=a"], "args": [f"{ON}=f"]}, {WHERE: "a", ON: "f"}),
        ({}, {}),
        ({"args": [ON, "false"]}, None),
        ({"args": [7]}, None),
        ({"args": "odd"}, None),
    ],
)
def test_settings_are_read_from_the_command_line(
    container: dict[str, object], flags: Mapping[str, str] | None
) -> None:
    found = read_settings(deployment(**container))

    assert found == ControllerSettings(
        Component.ADMISSION, "kyverno", "kyverno-admission-controller", (1, 19, 1), flags
    )


def test_settings_of_an_image_by_digest_tell_no_version() -> None:
    found = read_settings(deployment(image="reg.kyverno.io/k/kyverno@sha256:00"))

    assert found is not None
    assert found.version is None


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"metadata": None},
        {"metadata": {"labels": {"app.kubernetes.io/component": "cleanup-controller"}}},
        {"metadata": {"labels": {"app.kubernetes.io/component": "reports-controller"}}},
        {
            "metadata": {"labels": {"app.kubernetes.io/component": "reports-controller"}},
            "spec": {"template": {"spec": {"containers": [None, {"name": "other"}]}}},
        },
    ],
)
def test_settings_of_another_deployment_are_none(manifest: dict[str, object]) -> None:
    assert read_settings(manifest) is None
