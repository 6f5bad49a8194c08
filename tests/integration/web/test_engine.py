"""The page of an engine, namespaces that are not enforceable, and the effect of policies of others, on screen."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.domain.enforceability import Barrier, Obstacle
from policies.models import (
    Cluster,
    EngineState,
    ObservedController,
    ObservedPolicy,
)
from policies.queries.effects import PAGE_SIZE as EFFECTS_PAGE
from policies.queries.effects import EffectFilter, policy_effects
from policies.queries.engine import PAGE_SIZE, engine_page
from policies.queries.policies import PolicyFilter, policy_list
from policies.queries.reach import EVERYTHING_SEEN, Reach
from tests import factories
from tests.integration.web.conftest import HTMX
from tests.integration.web.test_policies import stored
from tests.unit.domain.test_effective import ENFORCE_SHOP, MIXED, vpol

CONFIG = {
    "resourceFilters": "[*/*,paydesk,*]",
    "webhooks": json.dumps({"namespaceSelector": {"matchLabels": {"judged": "yes"}}}),
    "excludeGroups": "system:nodes",
}
HOOK = {
    "name": "validate.kyverno.svc-fail",
    "failurePolicy": "Fail",
    "timeoutSeconds": 10,
    "namespaceSelector": {"matchLabels": {"team": "webteam"}},
    "resources": ["pods", "deployments.apps", "jobs.batch", "cronjobs.batch"],
    "policies": [],
}
FILTERED = Obstacle(Barrier.FILTER, "The entry [*/*,paydesk,*] passes over it.").to_json()


@pytest.fixture
def cluster(db: None) -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, ["shop", "team-x"])
    factories.namespaces(
        made, ["paydesk"], not_enforceable=[FILTERED], not_enforceable_since=timezone.now()
    )
    flags = {"--enablePolicyException": "true", "--exceptionNamespace": "exempted-here"}
    for component, version in (
        ("admission-controller", "1.19.1"),
        ("reports-controller", "1.18.2"),
    ):
        ObservedController.objects.create(
            cluster=made,
            component=component,
            namespace="kyverno",
            name=f"kyverno-{component}",
            version=version,
            flags=flags,
            replicas=3,
            ready=2,
        )
    EngineState.objects.create(
        cluster=made,
        namespace="kyverno",
        config_name="kyverno",
        config=CONFIG,
        config_read_at=timezone.now(),
        webhooks=[HOOK],
        webhooks_read_at=timezone.now(),
        others=["pods.example.org"],
    )
    return made


def page_of(client: Client, cluster: Cluster, query: str = "") -> str:
    response = client.get(f"/clusters/{cluster.pk}/engine/{query}")
    assert response.status_code == 200
    return response.text


def test_engine_page_shows_all_that_was_read(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    text = page_of(browser("viewer"), cluster)

    for words in (
        "Controllers run different versions",
        "Its controllers run 1.18.2 and 1.19.1.",
        "2 of 3 ready",
        "--exceptionNamespace=exempted-here",
        "[*/*,paydesk,*]",
        "judged in (yes)",
        "group system:nodes",
        "validate.kyverno.svc-fail",
        "pods and 3 other kinds",
        "team in (webteam)",
        "pods.example.org",
        "paydesk",
        "The entry [*/*,paydesk,*] passes over it.",
    ):
        assert words in text, words
    assert "not found among the Deployments" in text


def test_engine_page_of_nothing_read_says_so_and_is_not_calm(
    browser: Callable[[str], Client],
) -> None:
    cluster = factories.cluster("fresh", kyverno_version="")

    text = page_of(browser("viewer"), cluster)

    assert "Kyverno of unknown version" in text
    assert "May apply" in text
    assert "No namespace is known to be left out. Without the ConfigMap that says little." in text
    assert "controllers are not known, nor what they report." in text


def test_engine_page_says_why_something_was_not_read(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    EngineState.objects.update(config=None, config_failure="secprof may not get configmaps.")

    text = page_of(browser("viewer"), cluster)

    assert "Not read: secprof may not get configmaps." in text
    assert "incomplete: the ConfigMap was not read" in text


def test_engine_page_shows_what_makes_no_sense_as_unknown(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    ObservedController.objects.update(flags=None, version="", ready=None, replicas=None)
    odd = {**HOOK, "namespaceSelector": "all", "objectSelector": "all"}
    narrow = {**HOOK, "name": "validate.kyverno.svc-x", "resources": ["nodes"]}
    narrow["objectSelector"] = {"matchLabels": {"skip": "no"}}
    narrow["namespaceSelector"] = {"matchLabels": {"judged": "yes"}}
    every = {**HOOK, "name": "validate.kyverno.svc-y", "namespaceSelector": None}
    EngineState.objects.update(
        webhooks=[odd, narrow, every], config={**CONFIG, "matchConditions": "{"}
    )

    text = page_of(browser("viewer"), cluster)

    for words in (
        "could not be read",
        "? wanted, readiness not said",
        "unreadable; objects: unreadable",
        "as in the ConfigMap; objects: skip in (no)",
        "matchConditions is unreadable",
    ):
        assert words in text, words


def test_engine_page_names_no_namespace_to_who_may_not_see_it(
    cluster: Cluster, django_user_model: type[User]
) -> None:
    user = django_user_model.objects.create_user("narrow")
    factories.grant(user, "viewer", on=cluster, namespace="shop")
    client = Client()
    client.force_login(user)

    text = page_of(client, cluster)

    for hidden in ("paydesk", "exempted-here", "webteam", "judged in", "team-x"):
        assert hidden not in text, hidden
    assert "Controllers run different versions" in text
    assert f"is told to who may see all of {cluster.name}" in text


def test_engine_page_htmx_gets_the_namespaces_alone(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    response = browser("viewer").get(f"/clusters/{cluster.pk}/engine/?page=9", headers=HTMX)

    assert "<html" not in response.text
    assert 'id="barred"' in response.text
    assert "paydesk" in response.text


@pytest.mark.parametrize("count", [2, 200])
def test_engine_page_costs_the_same_whatever_the_size(
    cluster: Cluster, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    names = [f"z-{number:03}" for number in range(count)]
    factories.namespaces(cluster, names, not_enforceable=[FILTERED])

    with django_assert_num_queries(4):
        page = engine_page(cluster, reach=EVERYTHING_SEEN, page=1)

    assert page.spaces.total_count == count + 1
    assert len(page.spaces.rows) == min(PAGE_SIZE, count + 1)


def test_engine_page_shows_only_namespaces_that_are_seen(cluster: Cluster) -> None:
    reach = Reach(parts={cluster.pk: frozenset({"shop"})}, names={cluster.pk: cluster.name})

    page = engine_page(cluster, reach=reach, page=1)

    assert page.spaces.rows == ()
    assert not page.is_whole


def test_cluster_page_leads_to_the_engine(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    text = browser("viewer").get(f"/clusters/{cluster.pk}/").text

    assert f"/clusters/{cluster.pk}/engine/" in text


# Readiness


def test_matrix_has_a_state_of_its_own_for_what_cannot_be_enforced(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    factories.installed(cluster)
    client = browser("viewer")

    text = client.get("/readiness/?cluster=prod").text
    only = client.get("/readiness/?cluster=prod&stage=not+enforceable").text

    assert "Not enforceable" in text
    assert "resource filter" in text
    assert 'id="cell-' in only
    assert "paydesk" in only
    assert "team-x" not in only


def test_panel_and_review_say_why_and_plan_nothing(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    variant = factories.installed(cluster)
    client = browser("operator")

    panel = client.get(f"/readiness/{variant.pk}/paydesk/", headers=HTMX).text
    review = client.get(f"/reviews/{variant.pk}/paydesk/").text

    assert "The entry [*/*,paydesk,*] passes over it." in panel
    assert "Enforcing here has no effect." in panel
    assert f"/clusters/{cluster.pk}/engine/" in panel
    assert "Not enforceable" in review
    for text in (panel, review):
        assert "verb=enforce" not in text


def test_panel_of_a_native_policy_passes_over_kyvernos_settings(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    variant = factories.installed(cluster, target="ValidatingAdmissionPolicy")

    panel = browser("operator").get(f"/readiness/{variant.pk}/paydesk/", headers=HTMX).text

    assert "Not enforceable" not in panel


# Policies of others


def store(on: Cluster, name: str, manifest: Any, **fields: Any) -> ObservedPolicy:
    row = stored(on, name, manifest, **fields)
    row.save()
    return row


def test_policy_page_shows_its_effect_in_each_namespace(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    EngineState.objects.update(webhooks=None)
    store(cluster, "two-ways", MIXED)
    store(cluster, "in-shop", ENFORCE_SHOP)
    client = browser("viewer")

    two = client.get("/policies/prod/ClusterPolicy/two-ways/").text
    one = client.get("/policies/prod/ClusterPolicy/in-shop/?outcome=denies", headers=HTMX).text

    assert "Inconsistent" in two
    assert "The entry [*/*,paydesk,*] passes over it." in two
    assert "<html" not in one
    assert "shop" in one
    assert "team-x" not in one


def test_policy_of_ours_and_bindings_have_no_effects_to_show(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    factories.installed(cluster)
    store(cluster, "bound", {**vpol(), "kind": "ValidatingAdmissionPolicyBinding"})
    client = browser("viewer")

    for path in ("ClusterPolicy/require-seccomp", "ValidatingAdmissionPolicyBinding/bound"):
        assert 'id="effects"' not in client.get(f"/policies/prod/{path}/").text


def test_policy_that_no_webhook_asks_about_is_inconsistent(cluster: Cluster) -> None:
    row = store(cluster, "unasked", vpol())

    found = policy_effects(row, EffectFilter(text="SHOP"), reach=EVERYTHING_SEEN)

    assert found is not None
    assert [(e.namespace, e.outcome) for e in found.rows] == [("shop", "inconsistent")]
    assert dict(found.counts) == {"inconsistent": 2, "nothing": 1}


@pytest.mark.parametrize("count", [2, 300])
def test_effects_cost_the_same_whatever_the_size(
    cluster: Cluster, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    factories.namespaces(cluster, [f"z-{number:03}" for number in range(count)])
    row = store(cluster, "two-ways", MIXED)

    with django_assert_num_queries(3):
        found = policy_effects(row, EffectFilter(page=99), reach=EVERYTHING_SEEN)

    assert found is not None
    assert found.total_count == count + 3
    assert found.page == -(-(count + 3) // EFFECTS_PAGE)


def test_list_marks_and_finds_inconsistent_policies(
    cluster: Cluster, browser: Callable[[str], Client]
) -> None:
    store(cluster, "two-ways", MIXED, is_inconsistent=True)
    store(cluster, "plain", ENFORCE_SHOP)
    wanted = PolicyFilter(reading="inconsistent")

    found = policy_list(wanted, reach=EVERYTHING_SEEN, page=1)
    text = browser("viewer").get("/policies/?reading=inconsistent").text

    assert [row.name for row in found.rows] == ["two-ways"]
    assert "in some namespaces" in text
    assert "plain" not in text
