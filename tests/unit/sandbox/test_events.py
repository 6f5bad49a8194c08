"""Events of the sandbox: what its engine and its controllers say when an object is refused."""

import json

import pytest

from policies.cluster.errors import Invalid, RejectedByAdmission
from policies.cluster.gateway import CRON_JOBS, DEPLOYMENTS, EVENTS, PODS, Manifest, Resource
from policies.domain.library import Target
from policies.domain.objects import WorkloadKind
from sandbox.controllers import roll_out
from sandbox.kinds import resource_of
from tests.unit.domain.seccomp_cases import container, pod, wrapped
from tests.unit.sandbox.conftest import Place
from tests.world import BAD, deployment

UNSET = wrapped(WorkloadKind.POD, pod(container("c")), name="unset")
FAILED = "reason=FailedCreate"
VIOLATED = "reason=PolicyViolation"


def events(place: Place, fields: str, *, namespace: str = "") -> list[Manifest]:
    pages = place.gateway.pages(EVENTS, namespace=namespace, fields=fields)
    return [json.loads(item) for page in pages for item in page.items]


def drained(place: Place, replicas: int = 1) -> None:
    """A Deployment that was there before the flip loses its pods."""

    def make(manifest: Manifest) -> Manifest:
        return place.sandbox.apply_manifest(manifest, forced=True).manifest

    roll_out(make(deployment("team-a", "web", BAD, replicas=replicas)), make, {})
    place.install(Target.CLUSTER_POLICY, "team-a")
    place.sandbox.make_pods_anew(DEPLOYMENTS, "web", namespace="team-a")


@pytest.mark.parametrize("target", Target)
def test_refused_pods_of_a_controller_leave_an_event_on_their_owner(
    place: Place, target: Target
) -> None:
    place.sandbox.apply_manifest(deployment("team-a", "web", BAD), forced=True)
    owner = wrapped(WorkloadKind.JOB, pod(container("c")), name="job")
    owner["metadata"]["namespace"] = "team-a"
    place.sandbox.apply_manifest(owner, forced=True)
    place.install(target, "team-a")

    place.sandbox.make_pods_anew(resource_of(owner), "job", namespace="team-a")

    (event,) = events(place, FAILED, namespace="team-a")
    assert event["involvedObject"]["kind"] == "Job"
    assert event["message"].startswith("Error creating: ")
    assert "seccomp-enforce" in event["message"]
    assert (event["count"], event["type"]) == (1, "Warning")


def test_pods_that_a_drain_took_are_gone_and_refused_again_each_time(place: Place) -> None:
    drained(place, replicas=2)
    place.sandbox.make_pods_anew(DEPLOYMENTS, "web", namespace="team-a")

    found = events(place, FAILED)
    assert [event["involvedObject"]["kind"] for event in found] == ["ReplicaSet", "ReplicaSet"]
    assert sum(event["count"] for event in found) == 4
    (page,) = place.gateway.pages(PODS, namespace="team-a")
    assert page.items == ()


def test_engine_says_on_its_policy_what_it_refused_for_a_dry_run_too(place: Place) -> None:
    place.install(Target.CLUSTER_POLICY, "team-a")

    with pytest.raises(RejectedByAdmission):
        place.gateway.dry_run_pod("team-a", UNSET)

    (event,) = events(place, f"{VIOLATED},involvedObject.name=seccomp-enforce", namespace="default")
    assert event["message"].startswith("Pod team-a/unset: [require-seccomp] fail (blocked); ")
    assert event["involvedObject"]["kind"] == "ClusterPolicy"


def test_cron_job_tries_every_ten_minutes_and_names_what_refused_its_job(place: Place) -> None:
    cron_job = wrapped(WorkloadKind.CRON_JOB, pod(container("c")), name="nightly")
    cron_job["metadata"]["namespace"] = "team-a"
    place.sandbox.apply_manifest(cron_job, forced=True)
    place.install(Target.VALIDATING_POLICY, "team-a")

    assert len(events(place, f"{FAILED},involvedObject.kind={CRON_JOBS.kind}")) == 1
    (again,) = events(place, FAILED)

    assert again["message"].startswith("Error creating job: admission webhook")
    assert again["count"] == 1
    place.clock.forward(600)
    assert [event["count"] for event in events(place, FAILED)] == [2]


def test_cron_job_that_is_suspended_or_admitted_says_nothing(place: Place) -> None:
    cron_job = wrapped(WorkloadKind.CRON_JOB, pod(container("c")), name="nightly")
    cron_job["metadata"]["namespace"] = "team-a"
    suspended = {**cron_job, "spec": {**cron_job["spec"], "suspend": True}}
    place.sandbox.apply_manifest(suspended, forced=True)
    cron_job["metadata"]["namespace"] = "team-b"
    place.sandbox.apply_manifest(cron_job, forced=True)
    place.install(Target.CLUSTER_POLICY, "team-a")

    assert events(place, FAILED) == []


def test_events_expire_after_an_hour(place: Place) -> None:
    drained(place)
    place.clock.forward(3601)

    assert events(place, FAILED) == []


@pytest.mark.parametrize(
    ("resource", "fields", "message"),
    [
        (EVENTS, "spec.color=red", "field label not supported: spec.color"),
        (DEPLOYMENTS, "reason=FailedCreate", '"reason" is not a known field selector'),
    ],
)
def test_field_that_a_kind_is_not_selected_by_is_invalid(
    place: Place, resource: Resource, fields: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        list(place.gateway.pages(resource, fields=fields))
