"""Reports as a collection keeps them: what counts, at which workload, and what leaves the results unknown."""

import pytest

from policies.actions import collection
from policies.cluster.gateway import DEPLOYMENTS, POLICY_REPORTS
from policies.domain.readiness import GateId, GateOutcome, Verdict
from policies.models import (
    CollectionRun,
    ObservedResult,
    ObservedWorkload,
    ResultTally,
)
from sandbox.faults import Fault
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, GOOD, deployment

pytestmark = pytest.mark.django_db


def run_alone(world: SandboxWorld) -> CollectionRun:
    """Collect without making the reports come first."""
    return collection.collect(
        cluster_id=world.cluster.pk, by=world.people.operator, now=world.now()
    )


def test_passing_results_are_counted_and_have_no_row(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    variant = world.installed("ClusterPolicy")

    tally = ResultTally.objects.get(policy=variant.name, namespace="team-a")

    assert (tally.failing_workload_count, tally.judged_workload_count) == (1, 2)
    assert tally.pass_count > 0
    failing = ObservedResult.objects.filter(policy=variant.name, namespace="team-a")
    assert {result.name for result in failing} == {"ftp"}


def test_workload_without_a_report_leaves_the_results_unknown(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.set_fault(Fault.REPORTS_FROZEN)
    world.sandbox.apply_manifest(deployment("team-a", "new", GOOD))

    run_alone(world)

    gate = world.verdict(variant, "team-a").gate(GateId.RESULTS)
    assert gate.outcome is GateOutcome.UNKNOWN
    assert "cover 1 of 2 workloads" in gate.sentence


def test_report_of_a_workload_that_is_gone_covers_no_other(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    there = world.sandbox.get(DEPLOYMENTS, "good", namespace="team-a")["metadata"]["uid"].encode()
    hand.spoil = lambda resource, item: (
        item.replace(there, b"gone") if resource == POLICY_REPORTS else item
    )

    world.collect()

    gate = world.verdict(variant, "team-a").gate(GateId.RESULTS)
    assert gate.outcome is GateOutcome.UNKNOWN
    assert "cover 0 of 1 workload" in gate.sentence


def test_result_without_a_time_leaves_the_results_unknown(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    hand.spoil = lambda resource, item: item.replace(b'"timestamp":{', b'"other":{')

    world.collect()

    gate = world.verdict(variant, "team-a").gate(GateId.RESULTS)
    assert gate.outcome is GateOutcome.UNKNOWN
    assert "do not say when" in gate.sentence


def test_skipped_result_is_kept_and_is_neither_a_failure_nor_a_judgement(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    hand.spoil = lambda _, item: item.replace(b'"result":"pass"', b'"result":"skip"')

    world.collect()

    tally = ResultTally.objects.get(policy=variant.name, namespace="team-a")
    assert (tally.pass_count, tally.failing_workload_count, tally.newest_at) == (0, 0, None)
    assert tally.skip_count > 0
    assert set(ObservedResult.objects.values_list("outcome", flat=True)) >= {"skip"}
    assert world.verdict(variant, "team-a").verdict is Verdict.UNKNOWN


def test_long_texts_of_others_are_cut_to_fit(world: SandboxWorld, hand: Hand) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    world.installed("ClusterPolicy")
    schedule = ",".join(str(minute) for minute in range(60))
    world.sandbox.apply_manifest(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "often", "namespace": "team-a"},
            "spec": {
                "schedule": schedule,
                "jobTemplate": {"spec": {"template": {"spec": {"containers": [GOOD]}}}},
            },
        }
    )
    long = b"x" * 300
    hand.spoil = lambda _, item: (
        item.replace(b'"rule":"autogen-', b'"rule":"autogen-' + long)
        .replace(b'"source":"kyverno"', b'"source":"' + long + b'"')
        .replace(b"kyverno:v1.19.1", b"kyverno:" + long[:128])
    )

    world.collect()

    assert ObservedWorkload.objects.get(name="often").schedule == schedule[:100]
    result = ObservedResult.objects.filter(kind="Deployment", name="ftp").first()
    assert result is not None
    assert (len(result.source), len(result.raw_rule)) == (253, 253)
    assert result.rule == result.raw_rule.removeprefix("autogen-")
    world.cluster.refresh_from_db()
    assert world.cluster.kyverno_version == "x" * 40
