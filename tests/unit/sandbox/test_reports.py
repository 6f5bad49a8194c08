"""When the sandbox makes reports, and with what times: staleness must be as real as on a real cluster."""

import json
from datetime import timedelta

import pytest

from policies.cluster.gateway import CLUSTER_POLICIES, DEPLOYMENTS, POLICY_REPORTS, Manifest
from policies.domain.library import Target
from policies.domain.objects import WorkloadKind
from sandbox.faults import Fault
from tests.unit.domain.seccomp_cases import RD, container, pod, wrapped
from tests.unit.sandbox.conftest import START, Place

BODIES = {"bad": pod(container("c")), "good": pod(container("c"), profile=RD)}


@pytest.fixture
def reported(place: Place) -> Place:
    """A bad and a good Deployment with the Audit policy, and nothing reported yet."""
    for name, body in BODIES.items():
        manifest = wrapped(WorkloadKind.DEPLOYMENT, body, name=name)
        manifest["metadata"]["namespace"] = "team-a"
        place.sandbox.create(manifest)
    place.install(Target.CLUSTER_POLICY, "team-b")
    return place


def times(place: Place) -> dict[str, int]:
    """By name of the resource: seconds from the start to the time of its results."""
    found = {}
    for report in reports(place):
        (at,) = {result["timestamp"]["seconds"] for result in report["results"]}
        found[report["scope"]["name"]] = at - int(START.timestamp())
    return found


def reports(place: Place) -> list[Manifest]:
    pages = place.gateway.pages(POLICY_REPORTS)
    return [json.loads(item) for page in pages for item in page.items]


def test_list_makes_what_is_missing(reported: Place) -> None:
    summaries = {r["scope"]["name"]: r["summary"]["fail"] for r in reports(reported)}

    assert summaries == {"bad": 1, "good": 0}
    assert times(reported) == {"bad": 0, "good": 0}


def test_list_again_changes_nothing_while_nothing_moved(reported: Place) -> None:
    before = reports(reported)
    reported.clock.forward(600)

    assert reports(reported) == before


def test_list_after_an_edit_judges_the_edited_alone(reported: Place) -> None:
    times(reported)
    reported.clock.forward(60)

    reported.sandbox.label(DEPLOYMENTS, "bad", {"edited": "yes"}, namespace="team-a")

    assert times(reported) == {"bad": 60, "good": 0}


def test_list_after_a_policy_edit_judges_everything(reported: Place) -> None:
    times(reported)
    reported.clock.forward(60)

    reported.sandbox.label(CLUSTER_POLICIES, "seccomp", {"edited": "yes"})

    assert times(reported) == {"bad": 60, "good": 60}


def test_list_after_the_interval_judges_everything(reported: Place) -> None:
    times(reported)

    reported.clock.forward(3600)

    assert times(reported) == {"bad": 3600, "good": 3600}


def test_list_after_the_policy_is_gone_has_no_reports(reported: Place) -> None:
    times(reported)

    reported.sandbox.delete(CLUSTER_POLICIES, "seccomp")

    assert reports(reported) == []


def test_list_after_a_resource_is_gone_has_not_its_report(reported: Place) -> None:
    times(reported)

    reported.sandbox.delete(DEPLOYMENTS, "bad", namespace="team-a")

    assert times(reported).keys() == {"good"}


def test_frozen_reports_grow_old_and_new_resources_get_none(reported: Place) -> None:
    times(reported)
    reported.sandbox.set_fault(Fault.REPORTS_FROZEN)
    reported.clock.forward(7200)

    manifest = wrapped(WorkloadKind.DEPLOYMENT, BODIES["bad"], name="late")
    reported.sandbox.create({**manifest, "metadata": {"name": "late", "namespace": "team-a"}})

    assert times(reported) == {"bad": 0, "good": 0}
    reported.sandbox.clear_fault(Fault.REPORTS_FROZEN)
    assert times(reported) == {"bad": 7200, "good": 7200, "late": 7200}


def test_frozen_report_of_a_deleted_resource_is_gone_all_the_same(reported: Place) -> None:
    times(reported)
    reported.sandbox.set_fault(Fault.REPORTS_FROZEN)

    reported.sandbox.delete(DEPLOYMENTS, "bad", namespace="team-a")

    assert times(reported).keys() == {"good"}


def test_scan_judges_everything_at_the_time_it_is_told(reported: Place) -> None:
    made = reported.sandbox.scan(START + timedelta(seconds=5))

    assert made == 2
    assert times(reported) == {"bad": 5, "good": 5}


def test_reports_go_on_while_the_engine_is_off(reported: Place) -> None:
    reported.sandbox.set_fault(Fault.ENGINE_DOWN)

    assert times(reported).keys() == {"bad", "good"}


def test_get_makes_what_is_missing_too(reported: Place) -> None:
    found = reported.sandbox.get(DEPLOYMENTS, "bad", namespace="team-a")

    report = reported.gateway.get(POLICY_REPORTS, found["metadata"]["uid"], namespace="team-a")

    assert report["scope"]["name"] == "bad"
