"""Collection in the sandbox: what a run writes and leaves alone, and who may run when."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from policies.actions import collection, storing
from policies.actions.collection_work import HEARTBEAT_EVERY
from policies.actions.errors import Busy
from policies.cluster.errors import Forbidden
from policies.cluster.gateway import DEPLOYMENTS
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
    ReportPart,
    ResultTally,
    SeenObject,
)
from sandbox.faults import Fault
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
    ReportPart,
    ResultTally,
    SeenObject,
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
    change = storing.change_rows

    def noting(model: type[Model], **changes: Any) -> None:
        if changes["gone"] or changes["changed"] or changes["new"]:
            tables.add(model._meta.db_table)
        change(model, **changes)

    with CaptureQueriesContext(connection) as captured, pytest.MonkeyPatch.context() as patched:
        patched.setattr(storing, "change_rows", noting)
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

    assert tables == {
        "policies_observedworkload",
        "policies_posturetally",
        "policies_seenobject",
    }


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


def test_run_that_may_read_nothing_is_failed_though_it_learns_what_is_not_served(
    world: SandboxWorld, hand: Hand
) -> None:
    def before(call: str, _what: str) -> None:
        if call == "page":
            raise Forbidden("may not list")

    hand.before = before

    assert world.collect().state == State.FAILED


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


def test_owners_that_cannot_be_read_hold_back_what_they_own(world: SandboxWorld) -> None:
    world.rolled_out("web", 2)
    world.collect()
    before = rows()
    world.sandbox.set_fault(Fault.FORBIDDEN, target="deployments")
    world.rolled_out("later", 1)

    world.collect()

    assert rows() == before
    world.cluster.refresh_from_db()
    assert world.cluster.kyverno_version == "v1.19.1"
    completed = dict(KindSnapshot.objects.values_list("kind", "completed_at"))
    assert completed["pods"] < completed["statefulsets.apps"]
