"""The posture page: each container with what is declared, what takes effect, and where that comes from."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from policies.models import Cluster, ObservedNamespace
from policies.queries.posture import PAGE_SIZE
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld
from tests.world import BAD, deployment

GOOD_PROFILE = {
    "declared": "RuntimeDefault",
    "profile": None,
    "source": "pod",
    "effective": "RuntimeDefault",
    "grade": "good",
}
NO_PROFILE = {
    "declared": "",
    "profile": None,
    "source": "nothing",
    "effective": "Unconfined (nothing set)",
    "grade": "none",
}


ESCALATES = {
    "weakness": "privilege-escalation",
    "container": "app",
    "path": "spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation",
    "message": "The container app may gain privileges.",
}


def held(**profiles: Any) -> list[dict[str, Any]]:
    return [{"name": "app", "role": "container", "path": "p", "privileged": False, **profiles}]


@pytest.fixture
def cluster(db: None) -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, ["shop"])
    factories.namespaces(made, ["pay"], team="money")
    factories.workload(
        made,
        "shop",
        "bad",
        containers=held(seccomp=NO_PROFILE, apparmor=GOOD_PROFILE),
        hardening=[ESCALATES],
    )
    factories.workload(
        made,
        "pay",
        "fine",
        findings=[],
        containers=held(seccomp=GOOD_PROFILE, apparmor=GOOD_PROFILE),
    )
    return made


def test_posture_shows_declared_effective_source_and_grade(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    variant = factories.variant(cluster)

    text = browser("viewer").get("/posture/?cluster=prod&namespace=shop").text

    assert "nothing set → Unconfined (nothing set)" in text
    assert '<code>RuntimeDefault</code> <span class="quiet">on the pod</span>' in text
    assert '<span class="state-word">None</span>' in text
    assert f'href="/reviews/{variant.pk}/shop/"' in text


def test_posture_names_what_else_to_harden_and_which_benchmark_asks(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    text = browser("viewer").get("/posture/?cluster=prod&namespace=shop").text

    assert "1 more to harden" in text
    assert "may gain privileges" in text
    assert "CIS Kubernetes Benchmark 1.12, 5.2.6" in text


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("team=money", "fine", "bad"),
        ("namespace=shop", "bad", "fine"),
        ("control=require-seccomp", "bad", "fine"),
        ("grade=none", "bad", "fine"),
        ("weakness=privilege-escalation", "bad", "fine"),
    ],
)
def test_posture_filter_stands_in_the_address(
    browser: Callable[[str], Client], cluster: Cluster, query: str, shown: str, hidden: str
) -> None:
    text = browser("viewer").get(f"/posture/?cluster=prod&{query}", headers=HTMX).text

    assert f'<span class="name">{shown}</span>' in text
    assert f'<span class="name">{hidden}</span>' not in text
    assert "<html" not in text


def test_posture_of_an_older_collection_asks_to_collect_again(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    old = [{"name": "app", "role": "container", "declared": "RuntimeDefault"}]
    factories.workload(cluster, "shop", "old", containers=old)

    assert "collect again" in browser("viewer").get("/posture/?cluster=prod").text


def test_posture_without_a_cluster_shows_the_way(browser: Callable[[str], Client]) -> None:
    assert "Add a cluster first" in browser("viewer").get("/posture/").text


def test_posture_is_paged_and_costs_the_same_whatever_the_size(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    client = browser("viewer")
    counts = []
    for number in range(2):
        for each in range(PAGE_SIZE):
            factories.workload(cluster, "shop", f"w-{number}-{each}")
        with CaptureQueriesContext(connection) as asked:
            text = client.get("/posture/?cluster=prod&grade=&page=2").text
        counts.append(len(asked))

    assert len(set(counts)) == 1
    assert "Page 2 of 3" in text


def test_posture_of_a_collected_cluster_knows_both_mechanisms(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    world.sandbox.create(deployment("team-a", "bad", BAD))
    world.collect()

    text = hands("viewer").get("/posture/?namespace=team-a").text

    assert ObservedNamespace.objects.filter(name="team-a").exists()
    assert "Unconfined (nothing set)" in text
    assert "RuntimeDefault (implicit)" in text
    assert "collect again" not in text
    assert "The root file system of container app can be written" in text
