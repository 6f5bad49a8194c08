"""Every page, for every role: it answers, has one first heading, and asks nothing of the browser that the policy forbids."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.domain.authority import Role
from policies.domain.lifecycle import FlipStatus, FlipVerb, RolloutStatus, StepKind, StepStatus
from policies.models import Cluster, Flip, KindSnapshot
from tests import factories

pytestmark = pytest.mark.django_db

INLINE = re.compile(r"""\s(style|on[a-z]+)=["']|<style|<script(?![^>]*\ssrc=)|hx-on""")


@pytest.fixture
def addresses() -> tuple[str, ...]:
    """One company with everything in it, and the address of each page about it."""
    cluster = factories.cluster()
    factories.namespaces(cluster, ["batch", "shop"])
    variant = factories.installed(cluster)
    factories.judged(variant, ["batch"], failing_count=1)
    row = factories.workload(cluster, "batch", "exports", helm_release="exports")
    factories.result(variant, row)
    factories.enforced(variant, "shop")
    factories.observed(variant, "twin", ["shop"])
    flips = [
        factories.flip(variant, status, "batch")
        for status in FlipStatus
        if status not in {FlipStatus.APPROVED, FlipStatus.ROLLING}
    ]
    factories.rollout(flips[2], RolloutStatus.FAILED, (StepKind.APPLY, StepStatus.FAILED, ""))
    factories.event("flip.requested", variant=variant.name, cluster="prod", namespaces=["batch"])
    return (
        "/",
        "/clusters/",
        f"/clusters/{cluster.pk}/",
        "/readiness/",
        f"/readiness/{variant.pk}/batch/",
        f"/readiness/{variant.pk}/shop/",
        f"/reviews/{variant.pk}/batch/",
        f"/reviews/{variant.pk}/shop/",
        "/variants/",
        "/variants/new/",
        f"/variants/{variant.pk}/",
        "/flips/?show=all",
        *(f"/flips/{flip.pk}/" for flip in flips),
        "/profiles/nodes/",
        "/trail/",
    )


@pytest.mark.parametrize("role", list(Role))
def test_pages_each_role_answer_with_one_heading(
    browser: Callable[[str], Client], addresses: tuple[str, ...], role: Role
) -> None:
    client = browser(role.value)
    for address in addresses:
        response = client.get(address)

        assert response.status_code == 200, address
        assert response.text.count("<h1") == 1, address
        assert not INLINE.search(response.text), (address, INLINE.search(response.text))


def test_pages_of_htmx_are_fragments_and_say_that_they_vary(
    browser: Callable[[str], Client], addresses: tuple[str, ...]
) -> None:
    client = browser("operator")
    for address in addresses:
        response = client.get(address, headers={"HX-Request": "true"})

        assert "<html" not in response.text, address
        assert "HX-Request" in response.headers["Vary"], address


@pytest.mark.parametrize(
    "address", ["/", "/clusters/", "/readiness/", "/variants/", "/flips/", "/trail/"]
)
def test_pages_without_any_cluster_say_what_to_do(
    browser: Callable[[str], Client], address: str
) -> None:
    response = browser("admin").get(address)

    assert response.status_code == 200
    assert 'class="btn' in response.text


def test_home_counts_what_is_proven(
    browser: Callable[[str], Client], addresses: tuple[str, ...]
) -> None:
    assert "1 of 2 pairs of namespace and policy" in browser("viewer").get("/").text


def test_home_shows_what_is_wrong(browser: Callable[[str], Client]) -> None:
    factories.cluster(
        "prod",
        contact_state="unreachable",
        contact_message="Connection refused.",
        engine_state="down",
    )
    factories.cluster("old")
    long_ago = timezone.now() - timedelta(hours=5)
    KindSnapshot.objects.filter(cluster__name="old").update(completed_at=long_ago)

    text = browser("viewer").get("/").text

    for words in ("Connection refused.", "Engine down", "too old; verdicts are unknown"):
        assert words in text


def test_home_shows_what_waits_and_what_moves(browser: Callable[[str], Client]) -> None:
    cluster = factories.cluster()
    factories.flip(factories.variant(cluster, "one"), FlipStatus.REQUESTED, "shop")
    rolling = factories.flip(factories.variant(cluster, "two"), FlipStatus.ROLLING, "pay")
    factories.rollout(rolling, RolloutStatus.RUNNING, (StepKind.CHECK, StepStatus.DONE, ""))

    text = browser("approver").get("/").text

    assert "Needs you" in text
    assert "Enforce one in shop on prod" in text
    assert "1 of 1 steps" in text


@pytest.mark.parametrize("count", [3, 300])
def test_home_costs_the_same_whatever_the_size(
    browser: Callable[[str], Client],
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    cluster = factories.cluster()
    names = [f"ns-{number:03}" for number in range(count)]
    factories.namespaces(cluster, names)
    variant = factories.installed(cluster)
    factories.enforced(variant, *names)
    client = browser("operator")

    with django_assert_num_queries(30):
        client.get("/")


@pytest.mark.parametrize("address", ["/nowhere/", "/clusters/99/", "/variants/99/", "/flips/x/"])
def test_address_unknown_is_a_designed_404(browser: Callable[[str], Client], address: str) -> None:
    response = browser("viewer").get(address)

    assert response.status_code == 404
    assert "There is no such page" in response.text
    assert "Audit trail" in response.text


def test_defect_ends_as_page_500_without_asking_the_database(
    browser: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser("viewer")
    client.raise_request_exception = False
    factories.cluster()
    monkeypatch.setattr("policies.web.views.clusters.cluster_rows", lambda **_: 1 / 0)

    response = client.get("/clusters/")

    assert response.status_code == 500
    assert "Something broke on our side" in response.text


def test_form_without_its_token_is_refused_in_words(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("viewer"))

    response = client.post("/theme/", {"theme": "dark"})

    assert response.status_code == 403
    assert "The form has expired" in response.text


def test_rail_counts_what_waits_for_others_than_oneself(
    browser: Callable[[str], Client],
) -> None:
    factories.flip(factories.variant(factories.cluster()), FlipStatus.REQUESTED, "shop")

    assert "waiting for a decision" in browser("approver").get("/trail/").text
    assert "waiting for a decision" not in browser("operator").get("/trail/").text


def test_cluster_is_named_everywhere_but_its_credential_nowhere(
    browser: Callable[[str], Client],
) -> None:
    cluster: Cluster = factories.cluster(credential="sealed-credential")

    text = browser("admin").get(f"/clusters/{cluster.pk}/").text

    assert "prod" in text
    assert "sealed-credential" not in text


def test_install_flip_page_has_no_namespaces_to_roll_back(
    browser: Callable[[str], Client],
) -> None:
    variant = factories.installed(factories.cluster())
    flip = Flip.objects.get(variant=variant, verb=FlipVerb.INSTALL)

    assert "Roll back" not in browser("operator").get(f"/flips/{flip.pk}/").text
