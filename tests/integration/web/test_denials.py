"""Denials on pages: the list, since the flip on its page and in a cell, and what is stuck on the first page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from policies.models import Cluster, Denial, Flip, Variant
from policies.queries.denials import PAGE_SIZE, DenialState, denial_rows, stuck
from policies.queries.reach import EVERYTHING_SEEN
from tests import factories
from tests.integration.web.conftest import HTMX

Browser = Callable[[str], Client]


@pytest.fixture
def cluster(db: None) -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, ["shop"], team="web")
    factories.namespaces(made, ["pay"], team="money")
    factories.workload(made, "shop", "front")
    factories.events_read(made)
    return made


@pytest.fixture
def variant(cluster: Cluster) -> Variant:
    return factories.installed(cluster)


@pytest.fixture
def flip(variant: Variant) -> Flip:
    made = factories.enforced(variant, "shop", proven_at=timezone.now() - timedelta(days=2))
    made.rollout.started_at = timezone.now() - timedelta(days=2, minutes=1)
    made.rollout.save(update_fields=["started_at"])
    return made


def state(**fields: Any) -> DenialState:
    cluster = Cluster.objects.get()
    made = factories.denial(cluster, "shop", fields.pop("top_name", "front"), **fields)
    (row,) = denial_rows(Denial.objects.filter(pk=made.pk), reach=EVERYTHING_SEEN)
    return row.state


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, DenialState.STUCK),
        ({"attempt": "hand"}, DenialState.TRIED),
        ({"variant_name": ""}, DenialState.OTHER),
        ({"variant_name": "", "outcome": "refused-by-other"}, DenialState.OTHER),
        ({"outcome": "engine-down"}, DenialState.UNJUDGED),
        ({"outcome": "policy-error"}, DenialState.UNJUDGED),
        ({"top_name": "gone"}, DenialState.OVER),
        ({"top_kind": "CronJob"}, DenialState.OVER),
    ],
)
def test_state_tells_trouble_from_the_policys_work(
    flip: Flip, fields: dict[str, Any], expected: DenialState
) -> None:
    assert state(**fields) is expected


@pytest.mark.parametrize(
    ("kind", "age", "expected"),
    [
        ("Deployment", timedelta(minutes=50), DenialState.STUCK),
        ("Deployment", timedelta(minutes=70), DenialState.OVER),
        ("CronJob", timedelta(hours=30), DenialState.STUCK),
        ("CronJob", timedelta(days=3), DenialState.OVER),
    ],
)
def test_controller_is_stuck_as_long_as_it_tries_and_since_the_flip_alone(
    flip: Flip, kind: str, age: timedelta, expected: DenialState
) -> None:
    factories.workload(Cluster.objects.get(), "shop", "job", kind=kind, top_kind=kind)

    last_at = timezone.now() - age
    assert state(top_name="job", top_kind=kind, last_at=last_at, first_at=last_at) is expected


def test_controller_stays_stuck_while_events_cannot_be_read(flip: Flip, cluster: Cluster) -> None:
    factories.events_read(cluster, completed_at=timezone.now() - timedelta(hours=5), failure="no")

    assert state(last_at=timezone.now() - timedelta(hours=5)) is DenialState.STUCK


def test_namespace_that_was_rolled_back_has_nothing_stuck(cluster: Cluster, db: None) -> None:
    assert state() is DenialState.OVER
    assert stuck(reach=EVERYTHING_SEEN) == ()


def test_controller_is_stuck_where_a_flip_was_applied_and_not_proven(
    browser: Browser, cluster: Cluster, variant: Variant
) -> None:
    factories.observed(variant, "twin", ["shop"])
    factories.denial(cluster, "shop", "front")

    text = browser("operator").get("/").text

    assert [row.state for row in stuck(reach=EVERYTHING_SEEN)] == [DenialState.STUCK]
    assert "Cannot create its pods: require-seccomp refused them 12 times." in text
    assert "Nothing proves that it is enforced there." in text
    assert f'action="/variants/{variant.pk}/roll-back/"' in text


def test_list_says_who_what_since_when_and_has_the_events(
    browser: Browser, cluster: Cluster, flip: Flip
) -> None:
    factories.denial(cluster, "shop", "front")

    text = browser("viewer").get("/denials/").text

    assert "Cannot create" in text
    assert "Its controller cannot create its pods." in text
    assert "rule require-seccomp" in text
    assert f'<a href="/flips/{flip.pk}/">since the flip of' in text
    assert "Error creating: front was denied" in text
    assert 'aria-current="page"' in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"top_kind": "CronJob"}, "the workload is gone"),
        ({"attempt": "hand"}, "the policy did its work"),
        ({"variant_name": ""}, "not secprof&#x27;s"),
        ({"outcome": "engine-down"}, "The engine did not answer"),
        ({"outcome": "policy-error"}, "The policy could not judge it."),
        ({"top_name": "quiet"}, "has not been refused again"),
        ({"namespace": "pay", "top_name": "till"}, "the policy refuses nothing here now"),
    ],
)
def test_list_says_what_each_denial_means(
    browser: Browser, cluster: Cluster, flip: Flip, fields: dict[str, Any], words: str
) -> None:
    factories.workload(cluster, "shop", "quiet")
    factories.workload(cluster, "pay", "till")
    hours_ago = timezone.now() - timedelta(hours=3)
    where = {"namespace": "shop", "top_name": "front", "last_at": hours_ago, **fields}
    factories.denial(cluster, where.pop("namespace"), where.pop("top_name"), **where)

    assert words in browser("viewer").get("/denials/").text


def test_home_says_of_a_single_cron_job_that_it_cannot_create_its_jobs(
    browser: Browser, cluster: Cluster, flip: Flip
) -> None:
    factories.workload(cluster, "shop", "nightly", kind="CronJob", top_kind="CronJob")
    factories.denial(cluster, "shop", "nightly", top_kind="CronJob", count=1)

    text = browser("viewer").get("/").text

    assert "Cannot create its Jobs since the flip of" in text
    assert "require-seccomp refused them 1 time." in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("cluster=prod", {"front", "till"}),
        ("cluster=elsewhere", set()),
        ("namespace=shop", {"front"}),
        ("policy=require-seccomp-enforce", {"front"}),
        ("team=money", {"till"}),
        ("attempt=hand", {"till"}),
        ("attempt=controller", {"front"}),
        ("since=hour", {"front"}),
        ("since=week", {"front", "till"}),
        ("since=never&attempt=x&page=99", {"front", "till"}),
    ],
)
def test_list_is_filtered_by_its_address(
    browser: Browser, cluster: Cluster, query: str, shown: set[str]
) -> None:
    factories.denial(cluster, "shop", "front")
    day_ago = timezone.now() - timedelta(days=1)
    factories.denial(cluster, "pay", "till", attempt="hand", policy="theirs", last_at=day_ago)

    text = browser("viewer").get(f"/denials/?{query}", headers=HTMX).text

    assert {name for name in ("front", "till") if f'class="name">{name}<' in text} == shown
    assert "<html" not in text


def test_list_shows_only_namespaces_in_reach(
    cluster: Cluster, django_user_model: type[User]
) -> None:
    factories.denial(cluster, "shop", "front")
    factories.denial(cluster, "pay", "till", policy="money-policy")
    somebody = django_user_model.objects.create_user("somebody")
    factories.grant(somebody, "viewer", on=cluster, namespace="shop")
    client = Client()
    client.force_login(somebody)

    text = client.get("/denials/").text

    assert "front" in text
    assert not {word for word in ("till", "money-policy", "pay") if f">{word}<" in text}
    assert "1 of 1 row" in text


def test_list_is_paged_and_costs_the_same_whatever_the_size(
    browser: Browser, cluster: Cluster, flip: Flip
) -> None:
    client = browser("viewer")
    counts = []
    for number in range(2):
        for each in range(PAGE_SIZE):
            factories.denial(cluster, "shop", f"w-{number}-{each}")
        with CaptureQueriesContext(connection) as asked:
            text = client.get("/denials/?page=2").text
        counts.append(len(asked))

    assert len(set(counts)) == 1
    assert "Page 2 of 2" in text


@pytest.mark.parametrize(
    "fields",
    [
        {"failure": "The credential may not list events."},
        {"completed_at": None},
        {"completed_at": timezone.now() - timedelta(hours=2)},
    ],
    ids=["failed", "never", "old"],
)
def test_events_that_are_not_known_are_never_shown_as_no_denials(
    browser: Browser, cluster: Cluster, flip: Flip, variant: Variant, fields: dict[str, Any]
) -> None:
    factories.events_read(cluster, **fields)
    client = browser("viewer")

    for address in ("/denials/", f"/flips/{flip.pk}/", f"/readiness/{variant.pk}/shop/"):
        text = client.get(address).text
        assert "Denials on prod are not known" in text
        assert "Nothing was refused" not in text
        assert "Nothing has been refused" not in text


def test_flip_page_and_cell_say_what_was_refused_since(
    browser: Browser, cluster: Cluster, flip: Flip, variant: Variant
) -> None:
    factories.denial(cluster, "shop", "front")
    long_ago = timezone.now() - timedelta(days=9)
    factories.denial(cluster, "shop", "before", first_at=long_ago, last_at=long_ago)
    factories.denial(cluster, "pay", "beside")
    client = browser("viewer")

    for address in (f"/flips/{flip.pk}/", f"/readiness/{variant.pk}/shop/"):
        text = client.get(address).text
        assert "Refused since the flip" in text
        assert "<strong>front</strong>" in text
        assert "Refused 12 times by rule require-seccomp: Set a seccomp profile." in text
        assert "<strong>before</strong>" not in text
        assert "<strong>beside</strong>" not in text


def test_flip_page_and_cell_without_denials_say_so(
    browser: Browser, flip: Flip, variant: Variant
) -> None:
    for address in (f"/flips/{flip.pk}/", f"/readiness/{variant.pk}/shop/"):
        assert "Nothing has been refused since." in browser("viewer").get(address).text


def test_home_has_what_is_stuck_first_with_the_rollback_at_hand(
    browser: Browser, cluster: Cluster, flip: Flip, variant: Variant
) -> None:
    factories.workload(cluster, "shop", "nightly", kind="CronJob", top_kind="CronJob")
    factories.denial(cluster, "shop", "front")
    factories.denial(cluster, "shop", "nightly", top_kind="CronJob", count=3)
    factories.denial(cluster, "shop", "tried", attempt="hand", top_kind="Pod")

    text = browser("operator").get("/").text

    assert "Deployment front" in text
    assert "CronJob nightly" in text
    assert "require-seccomp refused them 15 times" in text
    assert f'action="/variants/{variant.pk}/roll-back/"' in text
    assert "tried" not in text
    assert "Nothing: every cluster answers" not in text


def test_home_offers_no_rollback_to_who_may_not(
    browser: Browser, cluster: Cluster, flip: Flip
) -> None:
    factories.denial(cluster, "shop", "front")

    text = browser("viewer").get("/").text

    assert "Deployment front" in text
    assert 'class="why-not"' in text


def test_home_costs_the_same_however_much_is_stuck(
    browser: Browser, cluster: Cluster, variant: Variant
) -> None:
    names = [f"ns-{number}" for number in range(7)]
    factories.namespaces(cluster, names)
    factories.enforced(variant, *names)
    client = browser("operator")
    counts = []
    for name in (names[:1], names[1:]):
        for each in name:
            factories.workload(cluster, each, "front")
            factories.denial(cluster, each, "front")
        with CaptureQueriesContext(connection) as asked:
            text = client.get("/").text
        counts.append(len(asked))

    assert len(set(counts)) == 1
    assert "2 more that cannot create their pods" in text
