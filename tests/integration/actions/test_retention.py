"""What has had its time goes, and what a day still needs stays."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from policies import tasks
from policies.actions import retention
from policies.actions.retention import forget_old
from policies.models import (
    ClosedFinding,
    Cluster,
    CollectedDay,
    CollectionRun,
    DailyTally,
    DailyTotal,
    KindSnapshot,
)
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)
POLICY = {"source": "kyverno", "policy": "require-seccomp"}


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def cluster(settings: Settings) -> Cluster:
    settings.SECPROF_HISTORY_DAYS = 10
    settings.SECPROF_RUN_DAYS = 5
    return factories.cluster(now=NOW)


def closed(on: Cluster, days: int) -> ClosedFinding:
    return ClosedFinding.objects.create(
        cluster=on,
        **POLICY,
        first_seen_at=ago(days + 1),
        last_seen_at=ago(days + 1),
        closed_at=ago(days),
    )


def run(on: Cluster, days: int, **fields: object) -> CollectionRun:
    values = {"state": "complete", "finished_at": ago(days), **fields}
    return CollectionRun.objects.create(
        cluster=on, requested_by="system", started_at=ago(days), heartbeat_at=ago(days), **values
    )


def test_old_history_goes_and_the_rest_stays(cluster: Cluster) -> None:
    kept = closed(cluster, 9)
    closed(cluster, 11)
    for days in (9, 10, 11):
        CollectedDay.objects.create(cluster=cluster, day=ago(days).date(), noted_at=ago(days))
        DailyTotal.objects.create(cluster=cluster, day=ago(days).date(), **POLICY)

    assert forget_old(now=NOW) == 3

    assert list(ClosedFinding.objects.all()) == [kept]
    for model in (CollectedDay, DailyTotal):
        assert sorted(model.objects.values_list("day", flat=True)) == [
            ago(10).date(),
            ago(9).date(),
        ]


def test_last_row_before_the_days_kept_still_says_how_they_began(cluster: Cluster) -> None:
    for days in (30, 20, 15, 3):
        DailyTally.objects.create(
            cluster=cluster, day=ago(days).date(), namespace="shop", fail_count=days, **POLICY
        )
    DailyTally.objects.create(
        cluster=cluster, day=ago(300).date(), namespace="quiet", fail_count=1, **POLICY
    )

    assert forget_old(now=NOW) == 2

    left = DailyTally.objects.order_by("day").values_list("namespace", "fail_count")
    assert list(left) == [("quiet", 1), ("shop", 15), ("shop", 3)]


def test_old_runs_go_but_for_the_newest_of_a_cluster(cluster: Cluster) -> None:
    old, other = run(cluster, 6), factories.cluster("other", now=ago(60))
    KindSnapshot.objects.filter(cluster=cluster).update(run=old)

    assert forget_old(now=NOW) == 1

    assert not CollectionRun.objects.filter(pk=old.pk).exists()
    assert CollectionRun.objects.filter(cluster=other).count() == 1
    assert KindSnapshot.objects.filter(cluster=cluster, run=None).exists()


def test_run_under_way_stays(cluster: Cluster) -> None:
    stuck = run(cluster, 90, state="running", finished_at=None)

    forget_old(now=NOW)

    assert CollectionRun.objects.filter(pk=stuck.pk).exists()


def test_task_forgets_what_is_old_now(cluster: Cluster) -> None:
    closed(cluster, 1)
    ClosedFinding.objects.update(closed_at=timezone.now() - timedelta(days=11))

    tasks.forget_old()
    tasks.forget_old()

    assert not ClosedFinding.objects.exists()


def test_many_rows_go_batch_by_batch(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    for _ in range(5):
        closed(cluster, 11)

    assert forget_old(now=NOW) == 5
    assert forget_old(now=NOW) == 0
