"""Manifests judged: which objects, by which rows, and what does not hide the rest."""

import json
from typing import Any

import pytest
import yaml

from policies.domain.controls import BASE_CONTROLS, Control
from policies.domain.facts import ClusterFacts
from policies.domain.manifests import Checker, Report
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters, ProfileParameters
from policies.domain.posture import Result
from tests.unit.domain.apparmor_cases import APPARMOR_CASES, ApparmorCase, on_pod
from tests.unit.domain.localhost_cases import LOCALHOST_CASES, LocalhostCase
from tests.unit.domain.seccomp_cases import CASES, LH, RD, UN, Case, container, pod, wrapped

GOOD = on_pod(RD, container("c"), profile=RD)
BAD = on_pod(RD, container("c", UN), profile=RD)
C1, C2 = Control.REQUIRE_SECCOMP, Control.DENY_UNCONFINED_SECCOMP


def checked(
    *objects: Any,
    controls: tuple[Control, ...] = BASE_CONTROLS,
    parameters: Parameters | None = None,
    facts: ClusterFacts | None = None,
    as_json: bool = False,
) -> Report:
    checker = Checker(
        parameters or Parameters(controls=controls), controls, facts or ClusterFacts()
    )
    texts = [json.dumps(o) if as_json else yaml.safe_dump(o, sort_keys=False) for o in objects]
    checker.check("file", "\n---\n".join(texts).encode())
    return checker.report


def results(report: Report) -> dict[str, str]:
    return {str(row.control): str(row.result) for row in report.rows}


@pytest.mark.parametrize("as_json", [False, True], ids=["yaml", "json"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_check_each_seccomp_case_says_what_posture_says(case: Case, as_json: bool) -> None:
    report = checked(case.manifest(), controls=(C1, C2), as_json=as_json)

    if case.unreadable:
        assert report.misread
        assert report.exit_code == 2
        return
    expected = ["not-applicable" if "os" in case.spec else "pass", "fail"]
    assert results(report) == {C1: expected[not case.c1], C2: expected[not case.c2]}


@pytest.mark.parametrize("case", APPARMOR_CASES, ids=lambda c: c.id)
def test_check_each_apparmor_case_says_what_posture_says(case: ApparmorCase) -> None:
    controls = (Control.REQUIRE_APPARMOR, Control.DENY_UNCONFINED_APPARMOR)

    report = checked(case.manifest(), controls=controls, facts=case.facts)

    assert bool(report.misread) is case.unreadable
    failing = {str(row.control) for row in report.rows if row.result == "fail"}
    passes = (case.c3, case.c4)
    assert failing == {str(c) for c, ok in zip(controls, passes, strict=True) if not ok}


@pytest.mark.parametrize("case", LOCALHOST_CASES, ids=lambda c: c.id)
def test_check_each_localhost_case_says_what_posture_says(case: LocalhostCase) -> None:
    manifest = wrapped(WorkloadKind.POD, case.spec, annotations=dict(case.annotations))

    report = checked(manifest, controls=(Control.ALLOWED_PROFILES,), parameters=case.parameters)

    assert report.exit_code == (2 if case.unreadable else int(not case.c6))


@pytest.mark.parametrize("kind", WorkloadKind)
def test_check_every_kind_has_a_row_for_each_control(kind: WorkloadKind) -> None:
    report = checked(wrapped(kind, GOOD))

    assert [(row.kind, row.control, row.result) for row in report.rows] == [
        (kind, control, "pass") for control in BASE_CONTROLS
    ]
    assert report.exit_code == 0


def test_check_row_of_a_failure_names_container_field_and_fix() -> None:
    manifest = wrapped(WorkloadKind.DEPLOYMENT, BAD)
    manifest["metadata"]["namespace"] = "team-a"

    report = checked(manifest, controls=(C2,))

    ((index, line),) = report.lines.items()
    row = report.rows[index]
    field = "spec.template.spec.containers[0].securityContext.seccompProfile.type"
    assert (row.namespace, row.name, row.container, row.field) == ("team-a", "case", "c", field)
    assert row.fix == f"Set {field}: RuntimeDefault"
    text = yaml.safe_dump(manifest, sort_keys=False).splitlines()
    assert text[line - 1].strip() == "type: Unconfined"


def test_check_has_one_row_for_each_container_at_fault() -> None:
    report = checked(wrapped(WorkloadKind.POD, pod(container("a"), container("b"))), controls=(C1,))

    assert [(row.container, row.result) for row in report.rows] == [("a", "fail"), ("b", "fail")]
    assert report.results[C1][Result.FAIL] == 1


def test_check_control_that_another_implies_has_no_row_unless_asked() -> None:
    report = checked(wrapped(WorkloadKind.POD, GOOD), controls=(C1,))

    assert results(report) == {C1: "pass"}


@pytest.mark.parametrize("as_json", [False, True], ids=["yaml", "json"])
def test_check_lists_of_lists_judge_every_item(as_json: bool) -> None:
    inner = {"apiVersion": "v1", "kind": "List", "items": [wrapped(WorkloadKind.JOB, BAD)]}
    typed = [{k: v for k, v in wrapped(WorkloadKind.POD, GOOD).items() if k != "kind"}]
    pods = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": typed}
    empty = {"apiVersion": "v1", "kind": "ServiceList", "items": None}
    whole = {"apiVersion": "v1", "kind": "List", "items": [inner, pods, empty]}

    report = checked(whole, controls=(C2,), as_json=as_json)

    assert [(row.kind, row.result) for row in report.rows] == [("Job", "fail"), ("Pod", "pass")]
    assert not report.misread


@pytest.mark.parametrize("as_json", [False, True], ids=["yaml", "json"])
@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("odd", "items: "),
        ([{"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": 5}], "spec: "),
        ([{"apiVersion": "v1", "kind": "Pod", "metadata": {}}], "spec"),
    ],
)
def test_check_malformed_item_is_named_and_its_neighbours_are_judged(
    items: Any, words: str, as_json: bool
) -> None:
    odd = {"apiVersion": "v1", "kind": "List", "items": items}
    good = wrapped(WorkloadKind.POD, GOOD)

    report = checked({"kind": "List", "items": [odd, good]}, controls=(C2,), as_json=as_json)

    (misread,) = report.misread
    assert words in misread.message
    assert [row.result for row in report.rows] == ["pass"]
    assert report.exit_code == 2


def test_check_lists_too_deep_are_refused() -> None:
    value: dict[str, Any] = wrapped(WorkloadKind.POD, GOOD)
    for _ in range(12):
        value = {"apiVersion": "v1", "kind": "List", "items": [value]}

    (misread,) = checked(value).misread

    assert "nested too deeply" in misread.message


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "List", "items": [%s, {"kind": "Pod", "kind": "Pod"}]}',
        '{"kind": "List", "items": [%s], "items": []}',
    ],
)
def test_check_key_that_stands_twice_in_json_is_no_pass(text: str) -> None:
    checker = Checker(Parameters(controls=(C1,)), (C1,), ClusterFacts())

    checker.check("file", (text % json.dumps(wrapped(WorkloadKind.POD, GOOD))).encode())

    (misread,) = checker.report.misread
    assert "stands twice" in misread.message


def test_check_json_with_a_repeated_key_still_judges_the_other_items() -> None:
    good = json.dumps(wrapped(WorkloadKind.POD, GOOD))
    twice = good.replace('"securityContext"', '"securityContext": null, "securityContext"')
    checker = Checker(Parameters(controls=(C1,)), (C1,), ClusterFacts())

    checker.check("file", f'{{"kind": "List", "items": [\n{twice},\n{good}]}}'.encode())

    assert [(m.line, m.message) for m in checker.report.misread] == [
        (2, "The key 'securityContext' stands twice.")
    ]
    assert [row.result for row in checker.report.rows] == ["pass"]


TEMPLATE = {"template": {"spec": BAD}}
DEEP: Any = TEMPLATE
for _ in range(20):
    DEEP = {"below": DEEP}


@pytest.mark.parametrize("as_json", [False, True], ids=["yaml", "json"])
@pytest.mark.parametrize(
    ("api_version", "kind", "spec"),
    [
        ("argoproj.io/v1alpha1", "Rollout", TEMPLATE),
        ("apps.openshift.io/v1", "DeploymentConfig", TEMPLATE),
        ("serving.knative.dev/v1", "Service", TEMPLATE),
        ("batch.volcano.sh/v1alpha1", "Job", {"tasks": [TEMPLATE]}),
    ],
)
def test_check_other_kinds_that_start_pods_are_unknown_never_good(
    api_version: str, kind: str, spec: Any, as_json: bool
) -> None:
    manifest = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}

    report = checked(manifest, controls=(C2,), as_json=as_json)

    assert [(row.kind, row.name, row.result) for row in report.rows] == [(kind, "x", "unknown")]
    assert (report.tally.not_evaluated, report.exit_code) == (1, 0)


def test_check_other_kind_with_odd_metadata_has_no_name() -> None:
    (row,) = checked(
        {"apiVersion": "x.io/v1", "kind": "X", "metadata": 5, "spec": TEMPLATE}, controls=(C2,)
    ).rows

    assert (row.namespace, row.name, row.result) == ("", "", "unknown")


def test_check_empty_documents_are_counted_and_nothing_else() -> None:
    report = checked(None, wrapped(WorkloadKind.POD, GOOD))

    assert (report.tally.documents, report.tally.workloads, report.tally.skipped) == (2, 1, 0)


@pytest.mark.parametrize(
    "manifest",
    [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}},
        {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "spec": TEMPLATE},
        {"apiVersion": "example.io/v1", "kind": "AllowList"},
        {"apiVersion": "example.io/v1", "kind": "Deep", "spec": DEEP},
        {"image": {"tag": "1"}},
        [{"hosts": "all"}],
    ],
)
def test_check_what_starts_no_pods_is_counted_and_passed_over(manifest: Any) -> None:
    report = checked(manifest)

    assert report.rows == []
    assert report.exit_code == 0
    assert report.tally.skipped == 1


@pytest.mark.parametrize("api_version", ["extensions/v1beta1", "apps/v1beta2", ""])
def test_check_old_groups_of_a_kind_are_judged(api_version: str) -> None:
    manifest = wrapped(WorkloadKind.DEPLOYMENT, BAD) | {"apiVersion": api_version}

    assert results(checked(manifest, controls=(C2,))) == {C2: "fail"}


def test_check_text_that_is_no_object_is_not_understood() -> None:
    (misread,) = checked("just some words").misread

    assert misread.message == "The document is a text, no object."


def test_check_installed_profiles_without_a_list_are_unknown() -> None:
    manifest = wrapped(WorkloadKind.POD, pod(container("c", LH)))

    report = checked(manifest, controls=(Control.PROFILE_INSTALLED,))

    (row,) = report.rows
    assert (row.result, report.exit_code) == ("unknown", 0)
    assert "name them in the parameters" in row.message


@pytest.mark.parametrize(
    ("spec", "parameters", "words"),
    [
        (GOOD, Parameters(controls=(Control.PROFILE_INSTALLED,)), "Localhost"),
        (
            GOOD,
            Parameters(controls=(Control.PROFILE_INSTALLED,), excluded_labels=(("app", "case"),)),
            "leave out",
        ),
        (
            pod(container("c"), os="windows"),
            Parameters(
                controls=(Control.PROFILE_INSTALLED,), seccomp=ProfileParameters(installed=())
            ),
            "Windows",
        ),
    ],
)
def test_check_not_applicable_says_why(spec: Any, parameters: Parameters, words: str) -> None:
    manifest = wrapped(WorkloadKind.POD, spec)

    (row,) = checked(manifest, controls=parameters.controls, parameters=parameters).rows

    assert row.result == "not-applicable"
    assert words in row.message
