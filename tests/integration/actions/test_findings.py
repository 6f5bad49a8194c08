"""Findings over time: when each began, and how it ended."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db.models import Model

from policies.actions import storing
from policies.cluster.gateway import CLUSTER_POLICIES, DEPLOYMENTS, POLICY_REPORTS
from policies.models import ClosedFinding, ObservedResult, ObservedWorkload, Variant
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.watched import Hand
from tests.world import BAD, GOOD, deployment

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def variant(world: SandboxWorld) -> Variant:
    """A variant in Audit with one workload that fails it."""
    world.sandbox.apply_manifest(deployment("team-a", "ftp", BAD))
    return world.installed("ClusterPolicy")


def the_finding(name: str = "ftp") -> ObservedResult:
    return ObservedResult.objects.get(kind="Deployment", name=name)


def closed(name: str = "ftp") -> ClosedFinding:
    return ClosedFinding.objects.get(kind="Deployment", name=name)


def test_finding_that_stays_keeps_when_it_was_first_seen(
    world: SandboxWorld, variant: Variant
) -> None:
    first_seen_at = the_finding().first_seen_at
    world.late += DAY

    run = world.collect()

    assert the_finding().first_seen_at == first_seen_at < run.started_at
    assert not ClosedFinding.objects.exists()


def test_finding_with_other_words_keeps_when_it_was_first_seen(
    world: SandboxWorld, variant: Variant, hand: Hand
) -> None:
    before = the_finding()
    hand.spoil = lambda _, item: item.replace(b'"result":"fail"', b'"result":"error"')
    world.late += DAY

    world.collect()

    after = the_finding()
    assert (before.outcome, after.outcome) == ("fail", "error")
    assert (after.pk, after.first_seen_at) == (before.pk, before.first_seen_at)
    assert not ClosedFinding.objects.exists()


def test_finding_that_is_fixed_says_when_it_began_was_seen_and_ended(
    world: SandboxWorld, variant: Variant
) -> None:
    first_seen_at = the_finding().first_seen_at
    world.late += DAY
    last_seen_at = world.collect().started_at
    world.sandbox.apply_manifest(deployment("team-a", "ftp", GOOD))
    world.late += DAY

    run = world.collect()

    end = closed()
    assert (end.first_seen_at, end.last_seen_at) == (first_seen_at, last_seen_at)
    assert (end.closed_at, end.reason) == (run.started_at, "fixed")
    assert (end.policy, end.namespace, end.outcome) == (variant.name, "team-a", "fail")
    assert not ObservedResult.objects.filter(name="ftp").exists()


def test_finding_that_comes_back_begins_anew(world: SandboxWorld, variant: Variant) -> None:
    for container in (GOOD, BAD):
        world.sandbox.apply_manifest(deployment("team-a", "ftp", container))
        world.late += DAY
        run = world.collect()

    assert the_finding().first_seen_at == run.started_at
    assert closed().closed_at < run.started_at


def test_finding_of_a_deleted_workload_is_gone_with_it(
    world: SandboxWorld, variant: Variant
) -> None:
    world.sandbox.delete(DEPLOYMENTS, "ftp", namespace="team-a")

    world.collect()

    assert closed().reason == "workload-gone"


def test_finding_without_a_report_is_not_called_fixed(
    world: SandboxWorld, variant: Variant, hand: Hand
) -> None:
    uid = the_finding().uid.encode()
    hand.spoil = lambda resource, item: (
        b'{"metadata":{"name":"other","namespace":"team-a"}}'
        if resource == POLICY_REPORTS and uid in item
        else item
    )

    world.collect()

    assert closed().reason == "unreported"


def test_finding_that_is_skipped_is_exempted_and_begins_anew_after(
    world: SandboxWorld, variant: Variant, hand: Hand
) -> None:
    hand.spoil = lambda _, item: item.replace(b'"result":"fail"', b'"result":"skip"')
    world.late += DAY
    skipped = world.collect()

    assert (closed().reason, closed().closed_at) == ("exempted", skipped.started_at)
    assert the_finding().first_seen_at == skipped.started_at

    hand.spoil = lambda _, item: item
    world.late += DAY
    again = world.collect()

    assert the_finding().first_seen_at == again.started_at
    assert ClosedFinding.objects.filter(name="ftp").count() == 1


def test_skip_that_goes_away_was_no_finding(
    world: SandboxWorld, variant: Variant, hand: Hand
) -> None:
    hand.spoil = lambda _, item: item.replace(b'"result":"fail"', b'"result":"skip"')
    world.collect()
    hand.spoil = lambda _, item: item
    world.sandbox.delete(DEPLOYMENTS, "ftp", namespace="team-a")

    world.collect()

    assert closed().reason == "exempted"


def test_findings_of_a_policy_that_is_gone_say_so(world: SandboxWorld, variant: Variant) -> None:
    world.sandbox.delete(CLUSTER_POLICIES, variant.name)

    world.collect()

    assert closed().reason == "policy-gone"


def test_finding_of_a_pod_that_was_replaced_is_not_called_fixed(
    world: SandboxWorld, variant: Variant, hand: Hand
) -> None:
    """A pod that fails where its owner does not, as one with a debug container."""
    finding = the_finding()
    ObservedResult.objects.filter(pk=finding.pk).update(uid="a-pod", kind="Pod", name="ftp-x")

    world.collect()

    assert ClosedFinding.objects.get(uid="a-pod").reason == "replaced"
    assert ObservedWorkload.objects.filter(kind="Deployment", name="ftp").exists()


def test_run_that_dies_between_two_batches_closes_nothing_twice(
    world: SandboxWorld, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sandbox.apply_manifest(deployment("team-a", "ftp", GOOD))
    world.late += DAY
    world.sandbox.apply_manifest(deployment("team-b", "new", BAD))

    insert = storing.insert_rows

    def dying(model: type[Model], rows: Sequence[storing.Fields]) -> None:
        if model is ObservedResult:
            raise SystemExit
        insert(model, rows)

    with monkeypatch.context() as patched:
        patched.setattr(storing, "insert_rows", dying)
        with pytest.raises(SystemExit):
            world.collect()
    first_end = closed().closed_at
    world.late += DAY

    run = world.collect()

    assert closed().closed_at == first_end < run.started_at
    assert the_finding("new").first_seen_at == run.started_at


def test_many_findings_are_closed_batch_by_batch(
    world: SandboxWorld, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "BATCH_SIZE", 2)
    names = [f"bad-{number}" for number in range(5)]
    for name in names:
        world.sandbox.apply_manifest(deployment("team-b", name, BAD))
    world.collect()
    for name in names:
        world.sandbox.apply_manifest(deployment("team-b", name, GOOD))

    world.collect()

    ends = ClosedFinding.objects.filter(namespace="team-b")
    assert sorted(ends.values_list("name", "reason")) == [(name, "fixed") for name in names]
