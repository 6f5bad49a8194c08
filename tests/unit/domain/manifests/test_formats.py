"""What other programs read: JSON, SARIF 2.1.0 and JUnit, each with references and with nothing lost."""

import json
from typing import Any, Literal
from xml.etree import ElementTree

import msgspec
import pytest
import yaml

from policies.domain.controls import BASE_CONTROLS, Control
from policies.domain.facts import ClusterFacts
from policies.domain.manifests import FORMATS, Checker, Report
from policies.domain.objects import WorkloadKind
from policies.domain.parameters import Parameters
from tests.unit.domain.apparmor_cases import on_pod
from tests.unit.domain.seccomp_cases import RD, UN, container, pod, wrapped


def report(controls: tuple[Control, ...] = BASE_CONTROLS, path: str = "a b.yaml") -> Report:
    """Judge a good pod, a bad one, a foreign kind, one for Windows, and a broken document."""
    bad = wrapped(WorkloadKind.DEPLOYMENT, on_pod(RD, container("c", UN), container("d", UN)))
    bad["metadata"]["namespace"] = "team-a"
    objects = [
        wrapped(WorkloadKind.POD, on_pod(RD, container("c"), profile=RD)),
        bad,
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": "r"},
            "spec": {"template": {"spec": {"containers": []}}},
        },
        wrapped(WorkloadKind.POD, pod(container("c"), os="windows")),
    ]
    text = "\n---\n".join([yaml.safe_dump(o) for o in objects] + ["a: [\x01"])
    checker = Checker(Parameters(controls=controls), controls, ClusterFacts(kubernetes=(1, 28)))
    checker.check(path, text.encode())
    checker.refuse("gone.yaml", "It cannot be read.")
    return checker.report


def test_json_has_the_documented_shape() -> None:
    written = json.loads(FORMATS["json"](report((Control.DENY_UNCONFINED_SECCOMP,))))

    assert list(written) == ["results", "errors", "summary"]
    assert {tuple(row) for row in written["results"]} == {
        (
            "path",
            "document",
            "kind",
            "namespace",
            "name",
            "control",
            "result",
            "container",
            "field",
            "message",
            "fix",
        )
    }
    assert [(r["document"], r["container"], r["result"]) for r in written["results"]] == [
        (1, "", "pass"),
        (2, "c", "fail"),
        (2, "d", "fail"),
        (3, "", "unknown"),
        (4, "", "not-applicable"),
    ]
    assert [(e["path"], e["document"]) for e in written["errors"]] == [
        ("a b.yaml", 5),
        ("gone.yaml", 0),
    ]
    assert {tuple(error) for error in written["errors"]} == {
        ("path", "document", "line", "message")
    }


def test_json_summary_counts_objects_and_refers_to_frameworks() -> None:
    summary = json.loads(FORMATS["json"](report()))["summary"]

    counts = {k: v for k, v in summary.items() if k != "controls"}
    assert counts == {
        "kubernetes": "1.28",
        "files": 1,
        "documents": 5,
        "workloads": 3,
        "not_evaluated": 1,
        "skipped": 0,
        "errors": 2,
        "exit_code": 2,
    }
    control = summary["controls"]["deny-unconfined-seccomp"]
    assert [control[r] for r in ("pass", "fail", "not-applicable", "unknown")] == [1, 1, 1, 1]
    assert control["references"][0].startswith("CIS Kubernetes Benchmark 1.10, 5.7.2: ")


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The parts of SARIF 2.1.0 that are written; other names are errors, as in its schema."""


class Text(Strict):
    text: str
    markdown: str = ""


class Level(Strict):
    level: Literal["none", "note", "warning", "error"]


class Rule(Strict):
    id: str
    name: str
    short_description: Text
    full_description: Text
    help: Text
    default_configuration: Level
    properties: dict[str, list[str]]


class Driver(Strict):
    name: str
    rules: list[Rule]


class Tool(Strict):
    driver: Driver


class Artifact(Strict):
    uri: str


class Region(Strict):
    start_line: int


class Physical(Strict):
    artifact_location: Artifact
    region: Region | None = None


class Logical(Strict):
    fully_qualified_name: str
    kind: str


class Location(Strict):
    physical_location: Physical
    logical_locations: list[Logical] = []


class Result(Strict):
    rule_id: str
    rule_index: int
    kind: Literal["pass", "open", "informational", "notApplicable", "review", "fail"]
    level: Literal["none", "note", "warning", "error"]
    message: Text
    locations: list[Location]
    partial_fingerprints: dict[str, str]


class Notification(Strict):
    level: Literal["none", "note", "warning", "error"]
    message: Text
    locations: list[Location]


class Invocation(Strict):
    execution_successful: bool
    tool_execution_notifications: list[Notification]


class Run(Strict):
    tool: Tool
    column_kind: Literal["utf16CodeUnits", "unicodeCodePoints"]
    results: list[Result]
    invocations: list[Invocation]


class Sarif(Strict):
    schema: str = msgspec.field(name="$schema")
    version: Literal["2.1.0"]
    runs: list[Run]


def sarif(**more: Any) -> Run:
    (run,) = msgspec.json.decode(FORMATS["sarif"](report(**more)), type=Sarif).runs
    return run


def test_sarif_holds_failures_and_unknowns_with_their_places() -> None:
    run = sarif(controls=(Control.DENY_UNCONFINED_SECCOMP,))

    assert [(r.kind, r.level) for r in run.results] == [
        ("fail", "error"),
        ("fail", "error"),
        ("open", "none"),
    ]
    (place,) = run.results[0].locations
    assert place.physical_location.artifact_location.uri == "a%20b.yaml"
    assert place.physical_location.region is not None
    assert place.physical_location.region.start_line > 10
    assert place.logical_locations[0].fully_qualified_name == "Deployment team-a/case"
    assert "RuntimeDefault" in run.results[0].message.text


def test_sarif_rules_carry_references_and_results_point_at_them() -> None:
    run = sarif()

    rules = run.tool.driver.rules
    assert [rule.id for rule in rules] == list(BASE_CONTROLS)
    assert all(rules[r.rule_index].id == r.rule_id for r in run.results)
    for rule in rules:
        assert rule.properties["references"]
        assert rule.properties["references"][0] in rule.help.text


def test_sarif_fingerprints_tell_results_apart() -> None:
    prints = [r.partial_fingerprints["secprof/v1"] for r in sarif().results]

    assert len(set(prints)) == len(prints)


def test_sarif_names_what_was_not_understood() -> None:
    (invocation,) = sarif().invocations

    assert not invocation.execution_successful
    assert len(invocation.tool_execution_notifications) == 2


@pytest.mark.parametrize(("path", "uri"), [("-", "stdin"), ("/x/a b.yaml", "file:///x/a%20b.yaml")])
def test_sarif_places_are_uris(path: str, uri: str) -> None:
    place = sarif(path=path).results[0].locations[0]

    assert place.physical_location.artifact_location.uri == uri


def test_junit_has_a_case_for_each_object_and_control() -> None:
    root = ElementTree.XML(FORMATS["junit"](report((Control.DENY_UNCONFINED_SECCOMP,))))

    assert [suite.get("name") for suite in root] == ["a b.yaml", "gone.yaml"]
    counts = [root.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["6", "1", "2", "2"]
    (failure,) = root.iter("failure")
    assert len((failure.text or "").splitlines()) == 2
    assert [case.get("classname") for case in root.iter("testcase")] == [
        "Pod case",
        "Deployment team-a/case",
        "Rollout r",
        "Pod case",
        "input",
        "input",
    ]


def test_junit_keeps_references_as_properties() -> None:
    root = ElementTree.XML(FORMATS["junit"](report()))

    values = {p.get("name"): p.get("value") for p in root[0].iter("property")}
    assert set(values) == {f"references.{control}" for control in BASE_CONTROLS}
    assert "5.7.2" in (values["references.require-seccomp"] or "")


def test_junit_of_odd_names_is_valid() -> None:
    odd = report(path="a\x01<b>&\ud7ff.yaml")

    root = ElementTree.XML(FORMATS["junit"](odd))

    assert root[0].get("name") == "a\ufffd<b>&\ud7ff.yaml"


def test_text_says_what_fails_where_and_how_much_was_seen() -> None:
    text = FORMATS["text"](report((Control.DENY_UNCONFINED_SECCOMP,))).decode()

    assert "a b.yaml:39: fail deny-unconfined-seccomp: Deployment team-a/case: " in text
    assert "gone.yaml: not understood: It cannot be read." in text
    assert "files: 1, workloads: 3, not evaluated: 1, other objects: 0, not understood: 2" in text
    assert text.endswith("deny-unconfined-seccomp: 1 pass, 1 fail, 1 not-applicable, 1 unknown\n")
