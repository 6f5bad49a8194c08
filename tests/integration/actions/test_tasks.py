"""Celery's shells: each does what the rows say is due, and a message that comes twice does nothing twice."""

from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks

from policies import dispatch, tasks
from policies.actions import rehearsals
from policies.actions.collection import RUN_IS_LOST_AFTER
from policies.domain.lifecycle import FlipStatus, FlipVerb
from policies.models import Cluster, CollectionRun, Rehearsal
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.excepting import (
    FTP,
    MAIL,
    approved,
    asked,
    heed,
    in_force,
    trail,
)
from tests.integration.actions.watched import Hand

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, dict[str, object]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What is sent to the broker."""
    messages: Sent = []

    def send_task(name: str, *, kwargs: dict[str, object], retry: bool) -> None:
        messages.append((name, kwargs))

    monkeypatch.setattr(dispatch.current_app, "send_task", send_task)
    return messages


def test_message_is_sent_after_the_transaction(
    world: SandboxWorld,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        dispatch.enqueue(dispatch.COLLECT_CLUSTER, cluster_id=7)
        assert sent == []

    assert sent == [(dispatch.COLLECT_CLUSTER, {"cluster_id": 7})]


def test_broker_that_is_away_is_logged_and_not_raised(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def send_task(*_: object, **__: object) -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(dispatch.current_app, "send_task", send_task)

    with django_capture_on_commit_callbacks(execute=True):
        dispatch.enqueue(dispatch.REHEARSE, rehearsal_id="x")

    assert "dispatch.broker_unreachable" in caplog.text


def test_collect_cluster_collects_and_lets_another_run_be(world: SandboxWorld) -> None:
    tasks.collect_cluster(cluster_id=world.cluster.pk, requested_by="somebody")

    assert CollectionRun.objects.filter(requested_by="system", state="complete").count() == 1
    CollectionRun.objects.create(
        cluster=world.cluster, started_at=timezone.now(), heartbeat_at=timezone.now()
    )

    tasks.collect_cluster(cluster_id=world.cluster.pk)

    assert CollectionRun.objects.filter(requested_by="system").count() == 1


def test_collect_due_sends_what_is_due_once(
    world: SandboxWorld,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    Cluster.objects.update(collect_due_at=timezone.now() - timedelta(seconds=1))

    with django_capture_on_commit_callbacks(execute=True):
        tasks.collect_due()
        tasks.collect_due()

    assert sent == [(dispatch.COLLECT_CLUSTER, {"cluster_id": world.cluster.pk})]


def test_run_rollout_twice_proves_it_once(world: SandboxWorld, hand: Hand) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    hand.writes.clear()

    for _ in range(2):
        tasks.run_rollout(rollout_id=str(flip.rollout.pk))

    flip.refresh_from_db()
    assert flip.status == FlipStatus.PROVEN
    assert hand.writes == [("create", "require-seccomp-enforce")]


def test_rehearse_runs_one_rehearsal(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    (rehearsal,) = rehearsals.request_rehearsal(
        variant_id=variant.pk, namespaces=["team-a"], by=world.people.operator, now=world.now()
    )

    tasks.rehearse(rehearsal_id=str(rehearsal.pk))

    rehearsal.refresh_from_db()
    assert rehearsal.state == Rehearsal.State.DONE


def test_reconcile_sends_what_nobody_is_at_and_ends_what_is_lost(
    world: SandboxWorld,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-a"))
    (waiting,) = rehearsals.request_rehearsal(
        variant_id=variant.pk,
        namespaces=["team-a"],
        by=world.people.operator,
        now=world.now() - timedelta(hours=1),
    )
    long_ago = timezone.now() - RUN_IS_LOST_AFTER - timedelta(seconds=1)
    lost = CollectionRun.objects.create(
        cluster=world.cluster, started_at=long_ago, heartbeat_at=long_ago
    )
    Rehearsal.objects.exclude(pk=waiting.pk).update(heartbeat_at=None)

    with django_capture_on_commit_callbacks(execute=True):
        tasks.reconcile()

    assert sent == [
        (dispatch.RUN_ROLLOUT, {"rollout_id": str(flip.rollout.pk)}),
        (dispatch.REHEARSE, {"rehearsal_id": str(waiting.pk)}),
    ]
    lost.refresh_from_db()
    assert lost.error_reason == "lost"


def test_expire_lets_old_requests_lapse(world: SandboxWorld) -> None:
    flip = world.request(world.installed("ClusterPolicy"), FlipVerb.ENFORCE, "team-a")
    type(flip).objects.update(lapses_at=timezone.now())

    tasks.expire()

    flip.refresh_from_db()
    assert flip.status == FlipStatus.LAPSED


def test_reconcile_and_carry_out_take_an_exception_as_far_as_it_goes(
    world: SandboxWorld,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    heed(world)
    variant = world.installed("ClusterPolicy")
    flip = world.approve(world.request(variant, FlipVerb.ENFORCE, "team-b", override="agreed"))
    row = approved(world, asked(world, variant))
    world.run(flip)
    sent.clear()

    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            tasks.reconcile()
    message = (dispatch.CARRY_OUT_EXCEPTION, {"exception_id": str(row.pk)})
    assert sent == [message, message]
    for _, arguments in list(sent):
        tasks.carry_out_exception(**arguments, extra="ignored")

    assert row.flips.count() == 1
    tasks.run_rollout(rollout_id=str(row.flips.get().rollout.pk))
    row.refresh_from_db()
    assert row.status == "in-force"


def test_expire_lapses_ends_and_announces_each_once(
    world: SandboxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    heed(world)
    variant = world.installed("ClusterPolicy")
    ended, near = (in_force(world, variant, each) for each in (FTP, MAIL))
    unanswered = asked(world, variant)
    now = world.now()
    for row, left in ((ended, -1), (near, 24)):
        type(row).objects.filter(pk=row.pk).update(
            approved_ends_at=now + timedelta(hours=left), in_force_at=now - timedelta(days=3)
        )
    type(unanswered).objects.filter(pk=unanswered.pk).update(lapses_at=now - timedelta(hours=1))

    tasks.expire()
    tasks.expire()

    verbs = {row.pk: trail(row)[-1] for row in (ended, near, unanswered)}
    assert verbs == {
        ended.pk: "exception.expired",
        near.pk: "exception.expiry_announced",
        unanswered.pk: "exception.lapsed",
    }
