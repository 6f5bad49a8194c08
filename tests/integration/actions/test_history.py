"""Days as they are noted: what is written, what is left alone, and how what was missed is found."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.actions.history import Key, note_day
from policies.models import (
    ClosedFinding,
    Cluster,
    CollectedDay,
    CollectionRun,
    DailyTally,
    DailyTotal,
    ObservedNamespace,
    ResultTally,
)
from tests import factories

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
SOURCE, POLICY = "kyverno", "require-seccomp"


def tally(on: Cluster, namespace: str, **counts: int) -> Key:
    """Let the last run have counted this."""
    ResultTally.objects.update_or_create(
        cluster=on, source=SOURCE, policy=POLICY, namespace=namespace, defaults=counts
    )
    return SOURCE, POLICY, namespace


def failed_run(on: Cluster, at: datetime, reason: str = "lost") -> CollectionRun:
    return CollectionRun.objects.create(
        cluster=on,
        state=CollectionRun.State.FAILED,
        requested_by="system",
        started_at=at,
        heartbeat_at=at,
        finished_at=at,
        error_reason=reason,
    )


def days_of(namespace: str) -> dict[date, int]:
    rows = DailyTally.objects.filter(namespace=namespace)
    return dict(rows.values_list("day", "failing_workload_count"))


def total(moment: datetime, team: str = DailyTotal.EVERY_TEAM) -> dict[str, Any]:
    return DailyTotal.objects.filter(day=moment.date(), team=team).values().get()


@pytest.fixture
def cluster() -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, ["shop", "cart"], team="web")
    factories.namespaces(made, ["pay"], team="money")
    tally(made, "shop", fail_count=3, failing_workload_count=2, judged_workload_count=4)
    tally(made, "cart", pass_count=1, judged_workload_count=1)
    tally(made, "pay", fail_count=5, failing_workload_count=5, judged_workload_count=5)
    note_day(made, now=MONDAY)
    return made


def test_day_holds_namespaces_teams_and_the_cluster(cluster: Cluster) -> None:
    assert days_of("shop") == {MONDAY.date(): 2}
    assert days_of("cart") == {MONDAY.date(): 0}
    web, money, everything = total(MONDAY, "web"), total(MONDAY, "money"), total(MONDAY)
    assert (web["fail_count"], web["judged_workload_count"]) == (3, 5)
    assert money["failing_workload_count"] == 5
    assert (everything["fail_count"], everything["failing_workload_count"]) == (8, 7)
    assert CollectedDay.objects.get().noted_at == MONDAY


def test_day_without_change_has_totals_and_no_tallies(cluster: Cluster) -> None:
    note_day(cluster, now=TUESDAY, keys=())

    assert not DailyTally.objects.filter(day=TUESDAY.date()).exists()
    assert total(TUESDAY)["failing_workload_count"] == 7


def test_only_the_namespace_that_changed_gets_a_row(cluster: Cluster) -> None:
    keys = [
        tally(cluster, "shop", fail_count=1, failing_workload_count=1),
        tally(cluster, "cart", pass_count=1, newest_at=TUESDAY),
    ]

    note_day(cluster, now=TUESDAY, keys=keys)

    assert list(DailyTally.objects.filter(day=TUESDAY.date()).values_list("namespace")) == [
        ("shop",)
    ]
    assert total(TUESDAY)["failing_workload_count"] == 6
    assert total(TUESDAY, "web")["failing_workload_count"] == 1


def test_later_run_of_a_day_has_the_last_word(cluster: Cluster) -> None:
    key = tally(cluster, "shop", fail_count=1, failing_workload_count=1)

    note_day(cluster, now=MONDAY + timedelta(hours=3), keys=[key])

    assert days_of("shop") == {MONDAY.date(): 1}
    assert total(MONDAY)["failing_workload_count"] == 6
    assert CollectedDay.objects.get().noted_at == MONDAY + timedelta(hours=3)


def test_namespace_that_went_to_another_team_is_counted_there_at_once(cluster: Cluster) -> None:
    ObservedNamespace.objects.filter(name="shop").update(team="money")
    key = tally(cluster, "shop", fail_count=1, failing_workload_count=1)

    note_day(cluster, now=MONDAY + timedelta(hours=3), keys=[key])

    assert total(MONDAY, "web")["failing_workload_count"] == 0
    assert total(MONDAY, "money")["failing_workload_count"] == 6
    assert total(MONDAY)["failing_workload_count"] == 6


def test_run_belongs_to_the_day_on_which_it_began(cluster: Cluster) -> None:
    note_day(cluster, now=datetime(2026, 3, 3, 23, 59, 59, tzinfo=UTC), keys=())

    assert sorted(CollectedDay.objects.values_list("day", flat=True)) == [
        MONDAY.date(),
        TUESDAY.date(),
    ]


def test_tally_that_is_gone_ends_with_a_row_of_zeros(cluster: Cluster) -> None:
    key = (SOURCE, POLICY, "pay")
    ResultTally.objects.filter(namespace="pay").delete()

    note_day(cluster, now=TUESDAY, keys=[key])
    note_day(cluster, now=WEDNESDAY, keys=[key])

    assert days_of("pay") == {MONDAY.date(): 5, TUESDAY.date(): 0}
    assert not DailyTotal.objects.filter(day=TUESDAY.date(), team="money").exists()


def test_policy_that_is_gone_within_a_day_counts_nothing_at_its_end(cluster: Cluster) -> None:
    keys = [(SOURCE, POLICY, name) for name in ("shop", "cart", "pay")]
    ResultTally.objects.all().delete()

    note_day(cluster, now=MONDAY + timedelta(hours=1), keys=keys)

    assert total(MONDAY)["fail_count"] == total(MONDAY, "money")["fail_count"] == 0
    assert set(days_of("shop").values()) == {0}


def test_what_a_failed_run_stored_is_found_by_the_next(cluster: Cluster) -> None:
    tally(cluster, "shop", fail_count=1, failing_workload_count=1)
    ResultTally.objects.filter(namespace="pay").delete()
    failed_run(cluster, MONDAY + timedelta(hours=1))

    note_day(cluster, now=MONDAY + timedelta(hours=2), keys=())

    assert days_of("shop") == {MONDAY.date(): 1}
    assert days_of("pay") == {MONDAY.date(): 0}
    assert total(MONDAY)["failing_workload_count"] == 1


@pytest.mark.parametrize(("hours", "reason"), [(-1, "lost"), (1, "unreachable")])
def test_failure_that_stored_nothing_since_changes_nothing(
    cluster: Cluster, hours: int, reason: str
) -> None:
    failed_run(cluster, MONDAY + timedelta(hours=hours), reason)
    tally(cluster, "shop", fail_count=1, failing_workload_count=1)

    note_day(cluster, now=MONDAY + timedelta(hours=2), keys=())

    assert days_of("shop") == {MONDAY.date(): 2}


def test_opened_and_closed_are_those_of_the_day(cluster: Cluster) -> None:
    variant = factories.variant(cluster)
    row = factories.workload(cluster, "shop", "ftp")
    other = factories.workload(cluster, "shop", "old")
    factories.result(variant, row, first_seen_at=TUESDAY)
    factories.result(variant, other, first_seen_at=MONDAY)
    ended = {
        "cluster": cluster,
        "source": SOURCE,
        "policy": POLICY,
        "namespace": "shop",
        "last_seen_at": MONDAY,
    }
    ClosedFinding.objects.create(**ended, first_seen_at=MONDAY, closed_at=TUESDAY)
    ClosedFinding.objects.create(**ended, first_seen_at=TUESDAY, closed_at=TUESDAY)
    ClosedFinding.objects.create(**ended, first_seen_at=MONDAY, closed_at=MONDAY)

    note_day(cluster, now=TUESDAY, keys=[(SOURCE, POLICY, "shop")])

    tuesday = DailyTally.objects.get(day=TUESDAY.date(), namespace="shop")
    assert (tuesday.opened_count, tuesday.closed_count) == (2, 2)
    assert (total(TUESDAY, "web")["opened_count"], total(TUESDAY)["closed_count"]) == (2, 2)


def test_queries_follow_the_keys_and_not_the_cluster(cluster: Cluster) -> None:
    factories.namespaces(cluster, [f"n{number}" for number in range(200)], team="web")
    note_day(cluster, now=TUESDAY, keys=())

    def queries(fail_count: int) -> int:
        key = tally(cluster, "shop", fail_count=fail_count)
        with CaptureQueriesContext(connection) as seen:
            note_day(cluster, now=TUESDAY, keys=[key])
        return len(seen)

    queries(99)  # the first one of a day makes the row
    few = queries(100)
    for number in range(200):
        tally(cluster, f"n{number}", fail_count=1)

    assert queries(101) == few
