"""Readiness: word and reason in each cell, filters in the address, the panel beside it, and the way to a plan."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from policies.domain.lifecycle import FlipStatus
from policies.models import Cluster, Variant
from tests import factories
from tests.integration.web.conftest import HTMX

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    made = factories.cluster()
    factories.namespaces(made, ["batch", "fresh", "shop"])
    factories.namespaces(made, ["kube-system"], is_system=True, team="")
    return made


@pytest.fixture
def variant(cluster: Cluster) -> Variant:
    made = factories.installed(cluster)
    factories.judged(made, ["batch"], failing_count=2)
    factories.judged(made, ["shop"])
    return made


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def words_of_tags(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_matrix_cells_say_word_and_reason(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    factories.enforced(variant, "shop")
    factories.observed(variant, "twin", ["shop"])

    text = words(browser("viewer").get("/readiness/").text)

    assert "batch web Blocked 2 workloads" in text
    assert "fresh web Unknown no results yet" in text
    assert "shop web Enforced 12 d" in text
    assert "kube-system" not in text


def test_matrix_system_namespaces_come_when_asked_for(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    text = words(browser("viewer").get("/readiness/?system=1").text)

    assert "Not judged system namespace" in text


def test_matrix_variant_not_installed_says_so_and_offers_no_plan(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    factories.variant(cluster)

    response = browser("operator").get("/readiness/")

    assert "Unknown not installed" in words(response.text)
    assert "<option value" not in response.text.split('id="plan-variant"')[1].split("</select>")[0]


def test_matrix_filter_by_htmx_gives_rows_alone(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    response = browser("viewer").get("/readiness/?cluster=prod&verdict=blocked", headers=HTMX)

    assert response.text.lstrip().startswith('<div id="matrix">')
    assert "Select batch" in response.text
    assert "Select shop" not in response.text


def test_matrix_filter_that_fits_nothing_says_so(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    assert "No namespace fits" in browser("viewer").get("/readiness/?q=nothing").text


def test_matrix_unknown_cluster_is_not_found(
    browser: Callable[[str], Client], cluster: Cluster
) -> None:
    assert browser("viewer").get("/readiness/?cluster=nope").status_code == 404


def test_matrix_selection_is_a_form_that_leads_to_a_plan(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    text = words_of_tags(browser("operator").get("/readiness/").text)

    assert 'id="selection" method="get" action="/plans/new/"' in text
    assert 'form="selection" name="namespace" value="shop"' in text


def test_matrix_long_name_and_stale_data_are_said(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    factories.namespaces(variant.cluster, ["n" * 63])
    variant.cluster.snapshots.update(completed_at=timezone.now() - timedelta(hours=3))

    text = browser("viewer").get("/readiness/").text

    assert "n" * 63 in text
    assert "strip-old" in text


def test_cell_has_its_own_address_with_the_matrix_around_it(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    text = browser("operator").get(f"/readiness/{variant.pk}/batch/?verdict=blocked").text

    assert 'aria-current="true"' in text
    assert "Reports name 2 workloads" in text
    assert "Select fresh" not in text


def test_cell_by_htmx_is_the_panel_alone(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    factories.workload(variant.cluster, "batch", "exports")

    response = browser("operator").get(f"/readiness/{variant.pk}/batch/", headers=HTMX)

    assert "<html" not in response.text
    assert "exports" in response.text
    assert f"/plans/new/?variant={variant.pk}&amp;verb=enforce&amp;namespace=batch" in response.text


def test_cell_enforced_offers_a_rollback_and_no_flip(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    factories.enforced(variant, "shop")
    factories.observed(variant, "twin", ["shop"])

    text = browser("operator").get(f"/readiness/{variant.pk}/shop/", headers=HTMX).text

    assert f"/variants/{variant.pk}/roll-back/" in text
    assert "Plan flip" not in text


def test_cell_twin_without_proof_is_called_applied_not_proven(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    factories.observed(variant, "twin", ["shop"])

    text = words(browser("viewer").get(f"/readiness/{variant.pk}/shop/", headers=HTMX).text)

    assert "Applied, not proven" in text
    assert "Enforced" not in text


def test_cell_with_an_open_flip_links_to_it(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    flip = factories.flip(variant, FlipStatus.REQUESTED, "shop")

    text = browser("viewer").get(f"/readiness/{variant.pk}/shop/", headers=HTMX).text

    assert f"/flips/{flip.pk}/" in text


def test_cell_of_a_namespace_that_is_gone_leaves_the_page_and_adds_a_note(
    browser: Callable[[str], Client], variant: Variant
) -> None:
    response = browser("viewer").get(f"/readiness/{variant.pk}/gone/", headers=HTMX)

    assert response.status_code == 404
    assert response.headers["HX-Retarget"] == "#messages"
