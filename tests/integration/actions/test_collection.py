"""Collection in the sandbox: what is stored, what a broken read leaves alone, and who may run when."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from policies.actions import collection
from policies.actions.collection_work import HEARTBEAT_EVERY
from policies.actions.errors import Busy
from policies.cluster.errors import NotFound
from policies.cluster.gateway import DEPLOYMENTS, POLICY_REPORTS, VALIDATING_POLICIES, Resource
from policies.domain.authority import NotAllowed
from policies.domain.readiness import GateId, GateOutcome, Verdict
from policies.models import (
    AuditEvent,
    Cluster,
    CollectionRun,
    KindSnapshot,
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ResultTally,
)
from sandbox.controllers import roll_out
from sandbox.faults import Fault
from sandbox.store import Manifest
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, GOOD, deployment

pytestmark = pytest.mark.django_db

State = CollectionRun.State
OBSERVED = (
    ObservedNamespace,
    ObservedPolicy,
    ObservedResult,
    ObservedWorkload,
    PostureTally,
    ResultTally,
)


def rows() -> list[list[dict[str, Any]]]:
    return [list(model.objects.order_by("pk").values()) for model in OBSERVED]


def run_alone(world: SandboxWorld) -> CollectionRun:
    """Collect without making the reports come first."""
    return collection.collect(
        cluster_id=world.cluster.pk, by=world.people.operator, now=world.now()
    )


@contextmanager
def written_tables() -> Iterator[set[str]]:
    """Name the tables that are written to meanwhile."""
    tables: set[str] = set()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        yield tables
    names = {model._meta.db_table for model in OBSERVED}
    for query in captured.captured_queries:
        if query["sql"].startswith(("INSERT", "UPDATE", "DELETE")):
            tables.update(name for name in names if f'"{name}"' in query["sql"])


def test_collect_reads_every_kind_and_names_the_engine(world: SandboxWorld) -> None:
    run = CollectionRun.objects.get()

    assert (run.state, run.error_message) == (State.COMPLETE, "")
    assert run.counts["namespaces"] == 3
    assert run.counts["deployments.apps"] == 3
    assert run.request_count >= len(run.counts)
    assert run.received_bytes > 0
    assert run.peak_mb > 0
    world.cluster.refresh_from_db()
    assert world.cluster.contact_state == "ok"
    assert world.cluster.kyverno_version == "v1.19.1"
    assert ObservedNamespace.objects.get(name="kyverno").is_system
    assert not ObservedNamespace.objects.get(name="team-a").is_system


def test_collect_again_without_a_change_writes_no_observed_row(world: SandboxWorld) -> None:
    world.installed("ClusterPolicy")
    before = rows()

    with written_tables() as tables:
        run_alone(world)

    assert tables == set()
    assert rows() == before


def test_collect_after_a_change_writes_only_what_changed(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))

    with written_tables() as tables:
        run_alone(world)

    assert tables == {"policies_observedworkload", "policies_posturetally"}


def test_passing_results_are_counted_and_have_no_row(world: SandboxWorld) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    variant = world.installed("ClusterPolicy")

    tally = ResultTally.objects.get(policy=variant.name, namespace="team-a")

    assert (tally.failing_workload_count, tally.judged_workload_count) == (1, 2)
    assert tally.pass_count > 0
    failing = ObservedResult.objects.filter(policy=variant.name, namespace="team-a")
    assert {result.name for result in failing} == {"ftp"}


def test_broken_page_ends_partial_and_keeps_the_rows_of_before(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ClusterPolicy")
    before = list(ObservedWorkload.objects.order_by("uid").values())
    world.sandbox.apply_manifest(deployment("team-a", "aaa", BAD))
    hand.page_size = 2
    world.sandbox.set_fault(Fault.BROKEN_PAGE, target="deployments", amount=2)

    run = world.collect()

    assert run.state == State.PARTIAL
    assert "deployments.apps" in run.error_message
    assert "cut off" in run.error_message
    assert list(ObservedWorkload.objects.order_by("uid").values()) == before
    snapshot = KindSnapshot.objects.get(kind="deployments.apps")
    assert "cut off" in snapshot.failure
    assert snapshot.completed_at is not None
    verdict = world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.UNKNOWN
    assert verdict.gate(GateId.CONTACT).outcome is GateOutcome.UNKNOWN
    assert verdict.gate(GateId.COLLECTION).outcome is GateOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("fault", "state", "says"),
    [
        (Fault.API_SERVER_DOWN, "unreachable", "nothing listens there"),
        (Fault.WRONG_CREDENTIALS, "unauthorized", "credential"),
        (Fault.WRONG_CA, "tls", "not trusted"),
    ],
)
def test_api_server_out_of_reach_fails_says_why_and_keeps_everything(
    world: SandboxWorld, fault: Fault, state: str, says: str
) -> None:
    variant = world.installed("ClusterPolicy")
    assert world.verdict(variant, "team-a").verdict is Verdict.READY
    before = rows()
    world.sandbox.set_fault(fault)

    run = world.collect()

    assert (run.state, run.error_reason) == (State.FAILED, state)
    assert says in run.error_message
    world.cluster.refresh_from_db()
    assert world.cluster.contact_state == state
    assert says in world.cluster.contact_message
    assert world.cluster.engine_state == "unknown"
    assert rows() == before
    verdict = world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.UNKNOWN
    assert says in verdict.reason
    event = AuditEvent.objects.filter(verb="collection.incomplete").latest("id")
    assert (event.outcome, event.details["state"]) == ("failed", "failed")


def test_forbidden_kind_is_named_and_the_others_are_stored(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="cronjobs")
    world.sandbox.apply_manifest(deployment("team-a", "new", GOOD))
    tallies = list(ResultTally.objects.values())

    run = world.collect()

    assert (run.state, run.error_reason) == (State.PARTIAL, "forbidden")
    world.cluster.refresh_from_db()
    assert world.cluster.contact_state == "ok"
    assert ObservedWorkload.objects.filter(name="new").exists()
    # Without every owner a result cannot be counted at its workload.
    assert list(ResultTally.objects.values()) == tallies
    verdict = world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.UNKNOWN
    assert "cronjobs.batch" in verdict.gate(GateId.COLLECTION).sentence
    assert verdict.gate(GateId.COLLECTION).number == 1


def rolled_out(world: SandboxWorld, name: str, replicas: int, **options: str) -> Manifest:
    """A Deployment with what its controllers would have made of it."""

    def make(manifest: Manifest) -> Manifest:
        return world.sandbox.apply_manifest(manifest, forced=True).manifest

    stored = make(deployment("team-a", name, GOOD, replicas=replicas))
    roll_out(stored, make, options)
    return stored


def test_old_replica_sets_and_pods_are_counted_once_at_their_top_owner(
    world: SandboxWorld,
) -> None:
    rolled_out(world, "web", 3, old="unset")
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
    rolled_out(world, "web", 2, debug="unconfined")

    world.collect()

    (pod,) = ObservedWorkload.objects.filter(namespace="team-a", kind="Pod")
    assert (pod.top_kind, pod.top_name, pod.pod_count) == ("Deployment", "web", 0)
    seccomp = [f for f in pod.findings if f["mechanism"] == "seccomp"]
    assert {finding["role"] for finding in seccomp} == {"ephemeral"}
    lasting = PostureTally.objects.filter(namespace="team-a", failing_count__gt=0)
    assert (
        not lasting.filter(judge__contains="seccomp").exclude(judge__contains="apparmor").exists()
    )


def test_owners_that_cannot_be_read_hold_back_what_they_own(world: SandboxWorld) -> None:
    rolled_out(world, "web", 2)
    world.collect()
    before = rows()
    world.sandbox.set_fault(Fault.FORBIDDEN, target="deployments")
    rolled_out(world, "later", 1)

    world.collect()

    assert rows() == before
    world.cluster.refresh_from_db()
    assert world.cluster.kyverno_version == "v1.19.1"
    completed = dict(KindSnapshot.objects.values_list("kind", "completed_at"))
    assert completed["pods"] < completed["statefulsets.apps"]


def test_pods_that_cannot_be_read_leave_their_numbers_as_they_were(world: SandboxWorld) -> None:
    rolled_out(world, "web", 2)
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

    assert (run.state, run.problem_count) == (State.COMPLETE, 2)
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
    assert (len(result.source), len(result.raw_rule), len(result.rule)) == (253, 253, 253)
    world.cluster.refresh_from_db()
    assert world.cluster.kyverno_version == "x" * 40


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


def test_validating_policies_are_read_in_an_older_version(world: SandboxWorld, hand: Hand) -> None:
    world.installed("ValidatingPolicy")

    def before(_call: str, what: str) -> None:
        if what == f"validatingpolicies/{VALIDATING_POLICIES.version}":
            raise NotFound("no such version")

    hand.before = before

    run = world.collect()

    assert run.state == State.COMPLETE
    assert run.counts["validatingpolicies.policies.kyverno.io"] == 1
    assert KindSnapshot.objects.get(kind="validatingpolicies.policies.kyverno.io").served
    assert ObservedPolicy.objects.filter(kind="ValidatingPolicy").exists()


def test_kind_that_is_not_served_is_said_so_and_leaves_verdicts_unknown(
    world: SandboxWorld, hand: Hand
) -> None:
    variant = world.installed("ValidatingPolicy")

    def before(_call: str, what: str) -> None:
        if what.startswith("validatingpolicies/"):
            raise NotFound("not served")

    hand.before = before

    assert world.collect().state == State.COMPLETE

    assert not KindSnapshot.objects.get(kind="validatingpolicies.policies.kyverno.io").served
    verdict = world.verdict(variant, "team-a")
    assert verdict.verdict is Verdict.UNKNOWN
    assert "validatingpolicies" in verdict.reason


def test_policies_that_cannot_be_read_stay_as_they_were(world: SandboxWorld) -> None:
    world.installed("ClusterPolicy")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="clusterpolicies")
    world.sandbox.set_fault(Fault.FORBIDDEN, target="namespaces")

    assert world.collect().state == State.PARTIAL

    assert ObservedPolicy.objects.filter(kind="ClusterPolicy").count() == 1
    assert ObservedNamespace.objects.count() == 3


def test_engine_that_is_gone_has_no_version_any_more(world: SandboxWorld) -> None:
    world.sandbox.delete(DEPLOYMENTS, "kyverno-admission-controller", namespace="kyverno")

    world.collect()

    world.cluster.refresh_from_db()
    assert world.cluster.kyverno_version == ""
    assert not ObservedNamespace.objects.get(name="kyverno").is_system


def test_second_run_at_the_same_time_is_busy(world: SandboxWorld) -> None:
    CollectionRun.objects.create(
        cluster=world.cluster, started_at=world.now(), heartbeat_at=world.now()
    )

    with pytest.raises(Busy, match="running already"):
        world.collect()


def test_lost_run_is_abandoned_by_the_next(world: SandboxWorld) -> None:
    long_ago = world.now() - collection.RUN_IS_LOST_AFTER - timedelta(seconds=1)
    lost = CollectionRun.objects.create(
        cluster=world.cluster, started_at=long_ago, heartbeat_at=long_ago
    )

    assert world.collect().state == State.COMPLETE

    lost.refresh_from_db()
    assert (lost.state, lost.error_reason) == (State.FAILED, "lost")
    assert lost.finished_at is not None


def test_run_that_was_given_up_meanwhile_writes_nothing_more(
    world: SandboxWorld, hand: Hand
) -> None:
    before = rows()
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))

    def after(_call: str, what: str) -> None:
        if what.startswith("pods/"):
            collection.abandon_lost_runs(now=world.now() + timedelta(hours=1))

    hand.after = after

    run = run_alone(world)

    assert (run.state, run.error_reason) == (State.FAILED, "lost")
    assert rows() == before


def test_long_run_tells_that_it_lives(world: SandboxWorld) -> None:
    started_at = timezone.now() - 2 * HEARTBEAT_EVERY

    run = collection.collect(cluster_id=world.cluster.pk, by=world.people.operator, now=started_at)

    run.refresh_from_db()
    assert run.heartbeat_at > started_at + HEARTBEAT_EVERY


@pytest.mark.parametrize("death", [RuntimeError, SystemExit])
def test_run_that_crashes_is_ended_and_the_next_may_run(
    world: SandboxWorld, hand: Hand, death: type[BaseException]
) -> None:
    def before(_call: str, what: str) -> None:
        if what.startswith("jobs/"):
            raise death

    hand.before = before
    with pytest.raises(death):
        world.collect()
    hand.free()

    run = CollectionRun.objects.latest("started_at")
    assert (run.state, run.error_reason) == (State.FAILED, "crashed")
    assert world.collect().state == State.COMPLETE


def test_credential_that_no_key_opens_fails_the_run_and_the_contact(world: SandboxWorld) -> None:
    Cluster.objects.filter(pk=world.cluster.pk).update(gateway="kubernetes", credential="rubbish")

    run = world.collect()

    assert (run.state, run.error_reason) == (State.FAILED, "unauthorized")
    assert "enter it again" in run.error_message
    world.cluster.refresh_from_db()
    assert world.cluster.contact_state == "unauthorized"
    assert AuditEvent.objects.filter(verb="collection.incomplete").exists()


def test_request_makes_the_cluster_due_and_says_who_asked(world: SandboxWorld) -> None:
    now = world.now()

    collection.request_collection(cluster_id=world.cluster.pk, by=world.people.operator, now=now)

    world.cluster.refresh_from_db()
    assert world.cluster.collect_due_at == now
    assert AuditEvent.objects.get(verb="collection.requested").actor == "operator"
    with pytest.raises(NotAllowed):
        collection.request_collection(cluster_id=world.cluster.pk, by=world.people.viewer, now=now)
    with pytest.raises(Cluster.DoesNotExist):
        collection.request_collection(cluster_id=0, by=world.people.operator, now=now)


def test_due_cluster_is_taken_once(world: SandboxWorld) -> None:
    due_at = world.now() + timedelta(hours=1)

    assert collection.take_due_clusters(now=world.now()) == ()
    assert collection.take_due_clusters(now=due_at) == (world.cluster.pk,)
    assert collection.take_due_clusters(now=due_at) == ()
