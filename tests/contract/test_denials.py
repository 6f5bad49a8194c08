"""Denials on a real API server: what each kind of policy refuses to real controllers is collected, and folded by owner."""

from collections.abc import Iterator
from typing import Any

import pytest

import controlplane
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import CollectionRun, Denial, KindSnapshot
from policies.queries.denials import DenialState, stuck
from policies.queries.reach import EVERYTHING_SEEN
from tests.contract.job import BAD, Job, deployment, open_job, pod
from tests.contract.planes import Manifest, eventually, newest, oldest
from tests.world import People

pytestmark = [pytest.mark.controlplane, pytest.mark.django_db]
NATIVE = "ValidatingAdmissionPolicy"
PATIENCE_SECONDS = 150
"""A CronJob tries once a minute."""


@pytest.fixture(
    params=[
        (newest, "ClusterPolicy"),
        (newest, "ValidatingPolicy"),
        (newest, NATIVE),
        (oldest, "ClusterPolicy"),
    ],
    ids=["1.19.1-cpol", "1.19.1-vpol", "native", "1.13.4-cpol"],
)
def engine(request: pytest.FixtureRequest) -> tuple[controlplane.ControlPlane, str]:
    bring_up, target = request.param
    return bring_up(), target


@pytest.fixture
def people(django_user_model: type) -> People:
    return People(django_user_model)


@pytest.fixture
def job(engine: tuple[controlplane.ControlPlane, str], people: People) -> Iterator[Job]:
    yield from open_job(engine[0], people)


def batch(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {
        "apiVersion": "batch/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": spec,
    }


def once() -> dict[str, Any]:
    return {"template": {"spec": {"containers": [BAD], "restartPolicy": "Never"}}}


def test_controllers_that_are_refused_are_collected_and_folded_by_owner(
    job: Job, engine: tuple[controlplane.ControlPlane, str]
) -> None:
    target = engine[1]
    variant = job.installed(target)
    web = deployment("team-a", "web", BAD)
    late = batch("Job", "late", {**once(), "suspend": True})
    often = batch("CronJob", "often", {"schedule": "* * * * *", "jobTemplate": {"spec": once()}})
    for manifest in (web, late, suspended(often)):
        made = job.raw.create(manifest, "team-a")
        assert made.ok, made.text
    assert (
        job.world.flip(variant, FlipVerb.ENFORCE, "team-a", override="to see what breaks")
        is RolloutStatus.PROVEN
    )

    assert job.raw.patch(web, {"spec": {"replicas": 3}}, "team-a").ok
    assert job.raw.patch(late, {"spec": {"suspend": False}}, "team-a").ok
    assert job.raw.patch(often, {"spec": {"suspend": False}}, "team-a").ok
    assert job.raw.create(pod("tried", BAD), "team-a").status in (400, 403, 422)

    wanted = {("Deployment", "web"), ("Job", "late"), ("CronJob", "often")}
    if target != NATIVE:
        wanted.add(("Pod", "tried"))
    found = eventually(
        lambda: collected(job),
        lambda rows: rows.keys() >= wanted,
        seconds=PATIENCE_SECONDS,
        in_a_row=1,
    )

    assert set(found) == wanted
    for (kind, _), row in found.items():
        assert row.policy == f"{variant.name}-enforce"
        assert row.variant_name == variant.name
        assert row.outcome == "refused"
        assert row.attempt == ("hand" if kind == "Pod" else "controller")
        assert row.rule == ("require-seccomp" if target == "ClusterPolicy" else "")
        assert row.count >= 1
        assert "seccomp" in row.message
    states = {(row.kind, row.name): row.state for row in stuck(reach=EVERYTHING_SEEN)}
    assert states == dict.fromkeys(wanted - {("Pod", "tried")}, DenialState.STUCK)


def suspended(manifest: Manifest) -> Manifest:
    return {**manifest, "spec": {**manifest["spec"], "suspend": True}}


def collected(job: Job) -> dict[tuple[str, str], Denial]:
    run = job.world.collect()
    assert run.state == CollectionRun.State.COMPLETE
    snapshot = KindSnapshot.objects.get(cluster=job.world.cluster, kind="events")
    assert (snapshot.failure, snapshot.served) == ("", True)
    rows = Denial.objects.filter(cluster=job.world.cluster, namespace="team-a")
    return {(row.top_kind, row.top_name): row for row in rows}
