"""The validation panel: three checks run live, what they mean, and the commands that ask the same."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from policies.domain.lifecycle import FlipVerb
from policies.models import AuditEvent, Variant
from sandbox.faults import Fault
from tests import factories
from tests.integration.web.conftest import HTMX, SandboxWorld
from tests.world import BAD, deployment

TARGETS = ["ClusterPolicy", "ValidatingPolicy", "ValidatingAdmissionPolicy"]


def path(variant: Variant, namespace: str = "team-a") -> str:
    return f"/validation/{variant.pk}/{namespace}/"


def outcomes() -> dict[str, str]:
    return AuditEvent.objects.get(verb="validation.run").details


@pytest.mark.parametrize("target", TARGETS)
def test_run_in_audit_names_who_fails_and_what_the_engine_says(
    world: SandboxWorld, hands: Callable[[str], Client], target: str
) -> None:
    variant = world.installed(target)
    world.sandbox.create(deployment("team-a", "ftp", BAD))

    response = hands("approver").post(path(variant), headers=HTMX)

    assert response.status_code == 200
    assert "<html" not in response.text
    assert outcomes() == {"who-fails": "fail", "bad-pod": "pass", "good-pod": "pass"}
    assert "kubectl -n team-a patch deployment/ftp --type strategic" in response.text
    assert "Admitted with this variant&#x27;s warning, as Audit does." in response.text
    assert " ms</span>" in response.text


@pytest.mark.parametrize("target", TARGETS)
def test_run_where_enforced_wants_a_refusal(
    world: SandboxWorld, hands: Callable[[str], Client], target: str
) -> None:
    variant = world.installed(target)
    world.flip(variant, FlipVerb.ENFORCE, "team-a")

    text = hands("operator").post(path(variant)).text

    assert outcomes()["bad-pod"] == "pass"
    assert "Refused by this variant." in text
    assert "require-seccomp-enforce" in text
    assert "<h1>" in text


def test_run_without_the_engine_is_unknown_in_words(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")
    world.sandbox.set_fault(Fault.ENGINE_DOWN)

    text = hands("operator").post(path(variant)).text

    assert outcomes()["bad-pod"] == outcomes()["good-pod"] == "unknown"
    assert "Engine down: nothing judged the pod." in text


def test_run_without_the_api_server_is_unknown_in_words(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    variant = world.installed("ClusterPolicy")
    world.sandbox.set_fault(Fault.API_SERVER_DOWN)

    response = hands("operator").post(path(variant))

    assert response.status_code == 200
    assert set(outcomes().values()) == {"unknown"}


def test_run_before_the_install_reads_who_fails_and_no_more(
    world: SandboxWorld, hands: Callable[[str], Client]
) -> None:
    variant = world.variant("ClusterPolicy")

    text = hands("operator").post(path(variant)).text

    assert outcomes()["bad-pod"] == "unknown"
    assert "nothing of it can answer" in text


def test_run_viewer_is_refused(world: SandboxWorld, hands: Callable[[str], Client]) -> None:
    variant = world.variant("ClusterPolicy")

    assert hands("viewer").post(path(variant)).status_code == 403
    assert "You may not validate a policy" in hands("viewer").get(path(variant)).text


def test_panel_offers_commands_and_runs_nothing(
    browser: Callable[[str], Client], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["shop"])
    variant = factories.installed(cluster)
    factories.enforced(variant, "shop")
    client = browser("operator")

    with django_assert_max_num_queries(25):
        text = client.get(path(variant, "shop")).text

    assert text.count("Not run") == 3
    assert "kubectl -n shop create --dry-run=server -f -" in text
    assert "Enforced here: a bad pod has to be refused." in text
    assert not AuditEvent.objects.exists()


def test_panel_of_an_excluded_namespace_says_so(browser: Callable[[str], Client]) -> None:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["legacy"])
    variant = factories.variant(cluster, excluded_namespaces=["legacy"])
    factories.observed(variant)

    assert "Left alone here" in browser("viewer").get(path(variant, "legacy")).text


def test_panel_of_a_namespace_that_is_not_there_is_404(browser: Callable[[str], Client]) -> None:
    variant = factories.variant(factories.cluster())

    assert browser("viewer").get(path(variant, "nowhere")).status_code == 404
