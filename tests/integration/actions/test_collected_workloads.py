"""Workloads as a collection keeps them: once, at their top owner, and nothing made up for what cannot be read."""

import json

import pytest

from policies.cluster.gateway import DEPLOYMENTS, Resource
from policies.domain.readiness import GateId, GateOutcome, Verdict
from policies.models import (
    CollectionRun,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ResultTally,
)
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import GOOD

pytestmark = pytest.mark.django_db


def test_old_replica_sets_and_pods_are_counted_once_at_their_top_owner(
    world: SandboxWorld,
) -> None:
    world.rolled_out("web", 3, old="unset")
    variant = world.installed("ClusterPolicy")

    named = ObservedWorkload.objects.filter(namespace="team-a", top_name="web")
    assert [(row.kind, row.pod_count) for row in named] == [("Deployment", 3)]
    tally = PostureTally.objects.get(
        namespace="team-a", judge="deny-unconfined-seccomp,require-seccomp"
    )
    assert (tally.workload_count, tally.failing_count) == (2, 0)
    results = ResultTally.objects.get(policy=variant.name, namespace="team-a")
    assert (results.judged_workload_count, results.failing_workload_count) == (2, 0)
    # The old ReplicaSet fails in the reports, and stands there at its Deployment.
    result = ObservedResult.objects.get(policy=variant.name, kind="ReplicaSet")
    assert (result.top_kind, result.top_name) == ("Deployment", "web")
    assert world.verdict(variant, "team-a").verdict is Verdict.READY


def test_debug_container_of_a_pod_has_a_row_below_its_owner(world: SandboxWorld) -> None:
    world.rolled_out("web", 2, debug="unconfined")

    world.collect()

    (pod,) = ObservedWorkload.objects.filter(namespace="team-a", kind="Pod")
    assert (pod.top_kind, pod.top_name, pod.pod_count) == ("Deployment", "web", 0)
    seccomp = [f for f in pod.findings if f["mechanism"] == "seccomp"]
    assert {finding["role"] for finding in seccomp} == {"ephemeral"}
    lasting = PostureTally.objects.filter(namespace="team-a", failing_count__gt=0)
    assert (
        not lasting.filter(judge__contains="seccomp").exclude(judge__contains="apparmor").exists()
    )


def test_pods_that_cannot_be_read_leave_their_numbers_as_they_were(world: SandboxWorld) -> None:
    world.rolled_out("web", 2)
    world.collect()
    world.sandbox.set_fault(Fault.FORBIDDEN, target="pods")

    world.collect()

    assert ObservedWorkload.objects.get(kind="Deployment", name="web").pod_count == 2


def test_malformed_object_is_counted_named_and_skipped(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")

    def spoil(resource: Resource, item: bytes) -> bytes:
        manifest = json.loads(item)
        if resource == DEPLOYMENTS and manifest["metadata"]["namespace"] == "team-a":
            return item.replace(b'"containers":[', b'"containers":7,"x":[')
        return b'{"metadata":' + b"7}" if resource.kind == "PodTemplate" else item

    hand.spoil = spoil
    world.sandbox.apply_manifest(
        {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": "t", "namespace": "team-b"},
            "template": {"spec": {"containers": [GOOD]}},
        }
    )

    run = world.collect()

    assert (run.state, run.problem_count) == (CollectionRun.State.COMPLETE, 2)
    named = {problem["object"]: problem for problem in run.problems}
    assert named["team-a/good"]["kind"] == "deployments.apps"
    assert "containers" in named["team-a/good"]["reason"]
    assert "unreadable object of 14 bytes" in named
    assert run.counts["deployments.apps"] == 2
    gate = world.verdict(variant, "team-a").gate(GateId.POSTURE)
    assert (gate.outcome, gate.number) == (GateOutcome.UNKNOWN, 1)
    assert world.verdict(variant, "team-b").gate(GateId.POSTURE).outcome is GateOutcome.PASS


def test_problems_beyond_the_limit_are_only_counted(
    world: SandboxWorld, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.actions.reading.PROBLEM_LIMIT", 1)
    hand.spoil = lambda resource, item: b"7" if resource == DEPLOYMENTS else item

    run = world.collect()

    assert (run.problem_count, len(run.problems)) == (3, 1)


def test_owner_of_another_api_group_is_not_taken_for_a_known_one(world: SandboxWorld) -> None:
    owner = {
        "apiVersion": "apps.kruise.io/v1beta1",
        "kind": "StatefulSet",
        "name": "db",
        "uid": "u-1",
        "controller": True,
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db-0", "namespace": "team-a", "ownerReferences": [owner]},
        "spec": {"containers": [GOOD]},
    }
    world.sandbox.apply_manifest(pod, forced=True)

    world.collect()

    row = ObservedWorkload.objects.get(name="db-0")
    assert (row.top_kind, row.top_name) == ("Pod", "db-0")
    assert [container["name"] for container in row.containers] == ["app"]
