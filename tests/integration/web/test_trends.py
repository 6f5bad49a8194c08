"""The trend page: the days as they were, gaps as gaps, and to each only their part."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import (
    ClosedFinding,
    Cluster,
    CollectedDay,
    DailyTally,
    DailyTotal,
    ResultTally,
    Rollout,
    Variant,
)
from policies.queries import trends
from policies.queries.closed_findings import PAGE_SIZE
from tests import factories
from tests.integration.web.conftest import HTMX

pytestmark = pytest.mark.django_db

SOURCE, POLICY = "kyverno", "require-seccomp"
KEY = f"{SOURCE}/{POLICY}"
Browser = Callable[[str], Client]


def ago(days: int) -> date:
    return timezone.now().astimezone(UTC).date() - timedelta(days=days)


def moment(days: int) -> datetime:
    return datetime.combine(ago(days), datetime.min.time(), tzinfo=UTC) + timedelta(minutes=1)


def tell(on: Cluster, days: int, namespace: str, failing: int, **more: int) -> None:
    """Let a namespace have changed on a day, and its tally be so now."""
    counts = {"fail_count": failing, "failing_workload_count": failing, **more}
    place = {"cluster": on, "source": SOURCE, "policy": POLICY, "namespace": namespace}
    DailyTally.objects.create(
        **place, day=ago(days), pass_count=1, judged_workload_count=10, **counts
    )
    ResultTally.objects.get_or_create(**place)


def total(on: Cluster, days: int, failing: int, team: str = DailyTotal.EVERY_TEAM) -> None:
    CollectedDay.objects.get_or_create(
        cluster=on, day=ago(days), defaults={"noted_at": moment(days)}
    )
    DailyTotal.objects.create(
        cluster=on,
        day=ago(days),
        source=SOURCE,
        policy=POLICY,
        team=team,
        fail_count=failing,
        failing_workload_count=failing,
        judged_workload_count=20,
        opened_count=1,
        closed_count=2,
    )


@pytest.fixture
def cluster() -> Cluster:
    """Three collected days of four; shop changes on two of them, pay on none but the first."""
    made = factories.cluster()
    factories.namespaces(made, ["shop"], team="web")
    factories.namespaces(made, ["pay"], team="money")
    for days, failing in ((3, 9), (1, 7), (0, 4)):
        total(made, days, failing)
        total(made, days, failing - 3, team="web")
    tell(made, 40, "pay", 3)
    tell(made, 3, "shop", 6, opened_count=6)
    tell(made, 0, "shop", 1, closed_count=5)
    return made


@pytest.fixture
def variant(cluster: Cluster) -> Variant:
    return factories.installed(cluster)


def owner_of_shop(cluster: Cluster) -> Client:
    user, _ = User.objects.get_or_create(username="shopkeeper")
    factories.grant(user, "owner", on=cluster, namespace="shop")
    client = Client()
    client.force_login(user)
    return client


def rows(client: Client, **query: object) -> dict[str, dict[str, str]]:
    """The file's rows by day."""
    answer = client.get("/trends/download/", {"cluster": "prod", "days": 7, **query})
    assert answer.status_code == 200
    return {row["day"]: row for row in csv.DictReader(io.StringIO(answer.text))}


def failing(client: Client, **query: object) -> list[str]:
    """Failing workloads of the last four days, the oldest first; a gap says why it is one."""
    found = rows(client, **query)
    lines = [found[ago(days).isoformat()] for days in (3, 2, 1, 0)]
    return [line["failing_workloads"] or line["state"] for line in lines]


def test_days_of_a_cluster_are_its_totals_and_a_day_not_collected_is_a_gap(
    browser: Browser, cluster: Cluster
) -> None:
    assert failing(browser("viewer")) == ["9", "not collected", "7", "4"]


def test_days_of_a_team_are_its_totals(browser: Browser, cluster: Cluster) -> None:
    assert failing(browser("viewer"), team="web") == ["6", "not collected", "4", "1"]


def test_day_without_change_is_like_the_one_before(browser: Browser, cluster: Cluster) -> None:
    client = browser("viewer")

    assert failing(client, namespace="shop") == ["6", "not collected", "6", "1"]
    assert failing(client, namespace="pay") == ["3", "not collected", "3", "3"]


def test_day_without_results_is_not_called_zero(browser: Browser, cluster: Cluster) -> None:
    DailyTally.objects.create(
        cluster=cluster, day=ago(1), source=SOURCE, policy=POLICY, namespace="pay"
    )

    assert failing(browser("viewer"), namespace="pay") == [
        "3",
        "not collected",
        "no results",
        "no results",
    ]


def test_owner_of_a_namespace_sees_its_figures_alone(cluster: Cluster) -> None:
    client = owner_of_shop(cluster)

    assert failing(client) == ["6", "not collected", "6", "1"]
    page = client.get("/trends/?cluster=prod").text
    assert "1 of 10 judged workloads fails" in page
    assert "money" not in page
    assert "pay" not in page


def test_namespace_out_of_reach_and_one_that_is_not_there_are_told_alike(cluster: Cluster) -> None:
    client = owner_of_shop(cluster)

    unseen, absent = (
        client.get("/trends/", {"cluster": "prod", "namespace": name}).text
        for name in ("pay", "nil")
    )

    said = "No report spoke of this policy here"
    assert said in unseen
    assert said in absent
    assert failing(client, namespace="pay") == failing(client, namespace="nil")


def test_part_of_too_many_namespaces_is_not_added_up(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trends, "NAMESPACE_LIMIT", 0)

    page = owner_of_shop(cluster).get("/trends/?cluster=prod").text

    assert "choose a team or a namespace" in page
    assert "data-trend" not in page


def proven(variant: Variant, days: int, verb: FlipVerb, *names: str) -> Rollout:
    flip = factories.flip(variant, factories.FlipStatus.PROVEN, *names, verb=verb)
    made = factories.rollout(flip, RolloutStatus.PROVEN)
    Rollout.objects.filter(pk=made.pk).update(finished_at=moment(days))
    return made


def test_flips_stand_on_the_day_on_which_they_were_proven(
    browser: Browser, variant: Variant
) -> None:
    proven(variant, 3, FlipVerb.ENFORCE, "pay", "shop")
    proven(variant, 1, FlipVerb.ROLLBACK, "shop")
    client = browser("viewer")

    found = rows(client)
    assert found[ago(3).isoformat()]["flips"] == "enforced: pay, shop"
    assert found[ago(1).isoformat()]["flips"] == "rolled back: shop"
    assert rows(client, namespace="pay")[ago(1).isoformat()]["flips"] == ""
    assert rows(client, team="web")[ago(3).isoformat()]["flips"] == "enforced: shop"


def test_flip_that_names_a_neighbour_is_not_told_to_an_owner(variant: Variant) -> None:
    proven(variant, 3, FlipVerb.ENFORCE, "pay", "shop")
    proven(variant, 1, FlipVerb.ROLLBACK, "shop")

    flips = {day: row["flips"] for day, row in rows(owner_of_shop(variant.cluster)).items()}

    assert flips[ago(3).isoformat()] == ""
    assert flips[ago(1).isoformat()] == "rolled back: shop"


def test_table_chart_and_file_say_the_same(browser: Browser, variant: Variant) -> None:
    proven(variant, 1, FlipVerb.ENFORCE, "shop")
    client = browser("viewer")
    page = client.get("/trends/?cluster=prod&days=7").text

    drawn = json.loads(unescape(re.search(r'data-trend="([^"]*)"', page).group(1)))
    listed = list(reversed(rows(client).values()))

    assert len(drawn["days"]) == len(listed) == 7
    as_file = [
        int(row["failing_workloads"]) if row["failing_workloads"] else None for row in listed
    ]
    assert drawn["failing"] == as_file
    assert [m["text"] for m in drawn["marks"]] == ["enforced: shop"]
    assert page.count("Not collected") == 4
    assert "4 of 20 judged workloads fail, 5 fewer than on" in page


def test_page_asks_the_same_number_of_queries_whatever_there_is(
    browser: Browser, cluster: Cluster
) -> None:
    client = browser("viewer")

    def queries(**query: object) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/trends/", {"cluster": "prod", **query}).status_code == 200
        return len(seen)

    queries()
    few = queries(days=7)
    factories.namespaces(cluster, [f"n{number}" for number in range(50)], team="web")
    for days in range(4, 360):
        total(cluster, days, days)
        tell(cluster, days, f"n{days}", days)
    assert queries(days=365) == few <= 25
    assert queries(days=365, namespace="shop") <= few + 1


@pytest.mark.parametrize(
    ("days", "policy", "said"),
    [
        (None, "", "was not collected in these 30 days"),
        (0, "", "No policy has reported anything"),
        (0, "kyverno/other", "No policy has reported anything"),
    ],
)
def test_page_without_figures_says_why(
    browser: Browser, days: int | None, policy: str, said: str
) -> None:
    made = factories.cluster()
    if days is not None:
        CollectedDay.objects.create(cluster=made, day=ago(days), noted_at=moment(days))

    assert said in browser("viewer").get("/trends/", {"policy": policy}).text


def test_policy_that_is_not_known_has_no_figures(browser: Browser, cluster: Cluster) -> None:
    page = browser("viewer").get("/trends/", {"policy": "kyverno/other"}).text

    assert "No report spoke of this policy here" in page


def test_page_without_a_cluster_shows_a_way_on(browser: Browser) -> None:
    client = browser("viewer")

    assert "No cluster yet" in client.get("/trends/").text
    assert "No cluster yet" in client.get("/trends/findings/").text


def test_htmx_gets_the_fragment_alone(browser: Browser, cluster: Cluster) -> None:
    answer = browser("viewer").get("/trends/?cluster=prod", headers=HTMX)

    assert "<html" not in answer.text
    assert 'id="trend"' in answer.text


def test_namesakes_are_told_apart_by_who_judges(browser: Browser, cluster: Cluster) -> None:
    DailyTotal.objects.filter(team="web").update(source="other", team=DailyTotal.EVERY_TEAM)
    client = browser("viewer")

    page = client.get("/trends/?cluster=prod").text

    assert "require-seccomp (kyverno)" in page
    assert "require-seccomp (other)" in page
    assert failing(client, policy="other/require-seccomp") == ["6", "not collected", "4", "1"]


def test_panel_policy_and_variant_lead_to_the_trend(browser: Browser, variant: Variant) -> None:
    client = browser("viewer")
    link = f"policy={quote(KEY, safe='')}"

    assert link in client.get(f"/readiness/{variant.pk}/shop/").text
    assert link in client.get(f"/variants/{variant.pk}/").text
    assert link in client.get(f"/policies/prod/ClusterPolicy/{POLICY}/").text


# Findings that are over


def closed(on: Cluster, namespace: str, name: str, days: int, reason: str = "fixed") -> None:
    ClosedFinding.objects.create(
        cluster=on,
        source=SOURCE,
        policy=POLICY,
        rule="require-seccomp",
        outcome="fail",
        kind="Deployment",
        namespace=namespace,
        name=name,
        top_kind="Deployment",
        top_name=name,
        first_seen_at=moment(days + 9),
        last_seen_at=moment(days + 1),
        closed_at=moment(days),
        reason=reason,
    )


def test_closed_findings_tell_how_each_ended_the_newest_first(
    browser: Browser, cluster: Cluster
) -> None:
    closed(cluster, "shop", "ftp-old", 3)
    closed(cluster, "pay", "ftp-new", 1, "unreported")

    page = browser("viewer").get("/trends/findings/?cluster=prod").text

    assert page.index("ftp-new") < page.index("ftp-old")
    assert '<span class="state-word">Fixed</span>' in page
    assert '<span class="state-word">No longer reported</span>' in page


def test_closed_findings_of_a_neighbour_are_not_shown(cluster: Cluster) -> None:
    closed(cluster, "shop", "mine", 3)
    closed(cluster, "pay", "theirs", 1)
    client = owner_of_shop(cluster)

    for query in ("", "&namespace=pay", f"&before={ClosedFinding.objects.get(name='theirs').pk}"):
        assert "theirs" not in client.get(f"/trends/findings/?cluster=prod{query}").text
    assert "mine" in client.get("/trends/findings/?cluster=prod").text


def test_closed_findings_go_on_page_by_page(browser: Browser, cluster: Cluster) -> None:
    for number in range(PAGE_SIZE + 5):
        closed(cluster, "shop", f"app-{number:03}", 3)
    client = browser("viewer")

    first = client.get("/trends/findings/?cluster=prod").text
    address = unescape(re.search(r'href="([^"]+)" rel="next"', first).group(1))
    second = client.get(address).text

    names = [re.findall(r"app-\d+", page) for page in (first, second)]
    assert [len(found) for found in names] == [PAGE_SIZE, 5]
    assert not set(names[0]) & set(names[1])
    assert 'rel="next"' not in second


def test_review_says_since_when_a_workload_fails(browser: Browser, variant: Variant) -> None:
    row = factories.workload(variant.cluster, "shop", "ftp")
    factories.result(variant, row, first_seen_at=datetime(2026, 3, 2, tzinfo=UTC))

    page = browser("viewer").get(f"/reviews/{variant.pk}/shop/").text

    assert re.search(r"first seen <time[^>]*>2 Mar 2026</time>", page)
