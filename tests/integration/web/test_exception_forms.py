"""The form of an exception: what it is prefilled with, what it refuses, and that nothing typed is lost."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.domain.lifecycle import ExceptionStatus as Status
from policies.models import ExceptionRequest, Variant
from tests import exceptions, factories
from tests.integration.web.conftest import HTMX

Browsers = Callable[[str], Client]
LONG = "w" * 63


@pytest.fixture
def variant(db: None) -> Variant:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["batch"], team="data", labels={"team": "data"})
    factories.namespaces(cluster, ["shop"], team="web", labels={"team": "web"})
    made = factories.installed(cluster)
    factories.workload(cluster, "batch", "ftp")
    factories.workload(cluster, "batch", LONG)
    factories.workload(cluster, "batch", "clean", findings=[])
    return made


def address(variant: Variant, **query: str) -> str:
    asked = {"variant": variant.pk, "namespace": "batch", **query}
    return "/exceptions/new/?" + "&".join(f"{name}={value}" for name, value in asked.items())


def typed(**changes: Any) -> dict[str, Any]:
    day = (timezone.now() + timedelta(days=10)).date().isoformat()
    return {
        "intent": "request",
        "controls": ["require-seccomp", "deny-unconfined-seccomp"],
        "workloads": ["Deployment/ftp"],
        "reason": "the vendor is late",
        "compensating_control": "a network policy",
        "ticket": "OPS-1",
        "ends_at": day,
        **changes,
    }


def test_form_without_policy_and_namespace_asks_for_them(
    variant: Variant, browser: Browsers
) -> None:
    client = browser("operator")

    first = client.get("/exceptions/new/").text
    second = client.get(f"/exceptions/new/?variant={variant.pk}").text

    assert "require-seccomp on prod" in first
    assert "<option>batch</option>" in second


@pytest.mark.parametrize("query", ["variant=x&namespace=batch", "variant=99&namespace=batch"])
def test_form_of_a_policy_that_there_is_not_is_not_found(
    variant: Variant, browser: Browsers, query: str
) -> None:
    assert browser("operator").get(f"/exceptions/new/?{query}").status_code == 404


def test_form_of_a_namespace_that_there_is_not_is_not_found(
    variant: Variant, browser: Browsers
) -> None:
    response = browser("operator").get(address(variant, namespace="nowhere"))

    assert response.status_code == 404


def ticked(text: str) -> set[str]:
    boxes = re.findall(r'name="workloads"[^>]*?value="([^"]+)"( checked)?', text)
    return {name for name, is_ticked in boxes if is_ticked}


def test_form_lists_the_failing_first_and_ticks_what_the_address_names(
    variant: Variant, browser: Browsers
) -> None:
    text = browser("operator").get(address(variant, workload="Deployment/ftp")).text

    assert ticked(text) == {"Deployment/ftp"}
    assert text.index("Deployment/ftp") < text.index("Deployment/clean")
    assert "fails require-seccomp" in text
    assert "nothing to exempt: it does not fail" in text


def test_form_for_all_ticks_every_failing_workload(variant: Variant, browser: Browsers) -> None:
    text = browser("operator").get(address(variant, all="failing")).text

    assert ticked(text) == {"Deployment/ftp", f"Deployment/{LONG}"}


def test_form_keeps_a_named_workload_that_is_not_there(variant: Variant, browser: Browsers) -> None:
    text = browser("operator").get(address(variant, workload="CronJob/tomorrow")).text

    assert ticked(text) == {"CronJob/tomorrow"}
    assert "not there when the cluster was read last" in text


@pytest.mark.parametrize("named", ["ftp", "Deployment/", "Sidecar/ftp", "Deployment/" + "x" * 300])
def test_form_leaves_out_what_names_no_workload(
    variant: Variant, browser: Browsers, named: str
) -> None:
    response = browser("operator").get(address(variant, workload=named))

    assert response.status_code == 200
    assert ticked(response.text) == set()


def test_form_marks_what_is_exempt_already(variant: Variant, browser: Browsers) -> None:
    ends_at = timezone.now().replace(2099, 1, 12)
    exceptions.exception(variant, Status.IN_FORCE, ends_at=ends_at)

    text = browser("operator").get(address(variant)).text

    assert "until 12 Jan 2099" in text


def test_form_says_the_longest_end_beside_the_field(
    variant: Variant, browser: Browsers, settings: Any
) -> None:
    settings.SECPROF_EXCEPTION_MAX_DAYS = 45

    text = browser("operator").get(address(variant)).text

    assert "Usually 30 days; at most 45" in text


@pytest.mark.parametrize("target", ["ValidatingPolicy", "ValidatingAdmissionPolicy"])
def test_form_of_a_kind_without_single_rules_exempts_from_the_whole(
    variant: Variant, browser: Browsers, target: str
) -> None:
    other = factories.installed(variant.cluster, "whole", target=target)

    text = browser("operator").get(address(other)).text

    assert f"a {target} cannot exempt from single rules" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": " "}, "Say why: whoever decides will read it."),
        ({"ends_at": ""}, "no exception lasts for ever"),
        ({"ends_at": "soon"}, "Give a day: 2027-01-31."),
        ({"workloads": []}, "Choose at least one workload."),
        ({"workloads": ["Deployment"]}, "Choose from the workloads of the namespace."),
        ({"more_name": "ftp*"}, "One exact name"),
        ({"more_name": "ftp", "more_kind": "Sidecar"}, "Choose a kind from the list."),
        ({"controls": ["everything"]}, "Choose from the rules of the policy."),
        ({"reason": "x" * 2001}, "2000"),
        ({"ticket": "x" * 201}, "200"),
    ],
)
def test_form_refuses_in_words_beside_the_field_and_keeps_what_was_typed(
    variant: Variant, browser: Browsers, changes: dict[str, Any], said: str
) -> None:
    sent = typed(**{"compensating_control": "kept as typed", **changes})

    response = browser("operator").post(address(variant), sent)

    assert response.status_code == 422
    assert said in response.text
    assert "kept as typed" in response.text
    assert not ExceptionRequest.objects.exists()


def test_preview_as_a_fragment_says_what_is_wrong_and_forgives_what_is_missing(
    variant: Variant, browser: Browsers
) -> None:
    sent = typed(intent="preview", reason="", more_name="ftp-*")

    text = browser("operator").post(address(variant), sent, headers=HTMX).text

    assert "<html" not in text
    assert 'id="error-more_name" hx-swap-oob="true"' in text
    assert "One exact name" in text
    assert "Say why" not in text


def test_check_without_javascript_keeps_what_was_typed_and_stores_nothing(
    variant: Variant, browser: Browsers
) -> None:
    response = browser("operator").post(address(variant), typed(intent="preview"))

    assert response.status_code == 200
    assert ticked(response.text) == {"Deployment/ftp"}
    assert "the vendor is late" in response.text
    assert not ExceptionRequest.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "approver", "auditor"])
def test_form_is_read_by_others_and_its_buttons_say_what_they_take(
    variant: Variant, browser: Browsers, role: str
) -> None:
    text = browser(role).get(address(variant)).text

    assert "that takes the role admin or operator or owner" in text


def test_form_costs_the_same_whatever_the_size(
    variant: Variant, browser: Browsers, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser("operator")
    for number in range(30):
        factories.workload(variant.cluster, "batch", f"w-{number:02}")
        exceptions.exception(variant, Status.IN_FORCE, workloads=exceptions.named(f"w-{number:02}"))

    with django_assert_num_queries(17):
        client.get(address(variant))
