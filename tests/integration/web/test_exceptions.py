"""The board of exceptions and the page of one: who sees what, what it says, and what it costs."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from policies.domain.lifecycle import ExceptionStatus as Status
from policies.models import ExceptionRequest, ObservedController, Variant
from tests import exceptions, factories
from tests.integration.web.conftest import HTMX

Browsers = Callable[[str], Client]
LONG = "w" * 63
BOARD_COST = 20


@pytest.fixture
def variant(db: None) -> Variant:
    cluster = factories.cluster()
    factories.namespaces(cluster, ["batch"], team="data", labels={"team": "data"})
    factories.namespaces(cluster, ["shop"], team="web", labels={"team": "web"})
    return factories.installed(cluster)


def owner_of(team: str) -> Client:
    """Give the browser of an owner of this team's namespaces alone."""
    user = User.objects.create_user(f"owner-of-{team}")
    factories.grant(user, "owner", selector=f"team={team}")
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("address", ["/exceptions/", "/exceptions/new/", "/exceptions/{}/"])
def test_pages_send_nobody_to_sign_in(variant: Variant, address: str) -> None:
    made = exceptions.exception(variant)

    response = Client().get(address.format(made.pk))

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login/")


def test_board_empty_says_where_an_exception_begins(variant: Variant, browser: Browsers) -> None:
    text = browser("viewer").get("/exceptions/").text

    assert "Nothing waits for a decision" in text
    assert "Readiness" in text


@pytest.mark.parametrize(
    ("show", "status", "word"),
    [
        ("asked", Status.REQUESTED, "Waits for a decision"),
        ("under-way", Status.APPROVED, "Approved"),
        ("under-way", Status.FAILED, "Failed"),
        ("under-way", Status.ENDING, "Ending"),
        ("in-force", Status.IN_FORCE, "Exempt"),
        ("ended", Status.ENDED, "Ended"),
        ("ended", Status.DECLINED, "Declined"),
        ("ended", Status.WITHDRAWN, "Withdrawn"),
        ("ended", Status.LAPSED, "Lapsed"),
    ],
)
def test_board_shows_every_state_in_its_part_alone(
    variant: Variant, browser: Browsers, show: str, status: Status, word: str
) -> None:
    made = exceptions.exception(variant, status)
    client = browser("viewer")

    text = client.get("/exceptions/", {"show": show}).text

    assert f"/exceptions/{made.pk}/" in text
    assert f'<span class="state-word">{word}</span>' in text
    others = {"asked", "under-way", "in-force", "ended"} - {show}
    for other in others:
        assert f"/exceptions/{made.pk}/" not in client.get("/exceptions/", {"show": other}).text


def test_board_part_that_ends_soon_leaves_out_what_ends_later(
    variant: Variant, browser: Browsers
) -> None:
    now = timezone.now()
    soon = exceptions.exception(variant, Status.IN_FORCE, ends_at=now + timedelta(days=13))
    late = exceptions.exception(variant, Status.IN_FORCE, ends_at=now + timedelta(days=15))

    text = browser("viewer").get("/exceptions/?show=ending").text

    assert f"/exceptions/{soon.pk}/" in text
    assert "Ends soon" in text
    assert f"/exceptions/{late.pk}/" not in text


def test_draft_is_its_writers_alone(variant: Variant, browser: Browsers) -> None:
    made = exceptions.exception(variant, Status.DRAFT)

    own, other = browser("operator"), browser("admin")

    assert "Your drafts" in own.get("/exceptions/").text
    assert f"/exceptions/{made.pk}/" in own.get("/exceptions/?show=drafts").text
    assert own.get(f"/exceptions/{made.pk}/").status_code == 200
    assert "Your drafts" not in other.get("/exceptions/").text
    assert other.get(f"/exceptions/{made.pk}/").status_code == 404


def test_board_filters_by_cluster_team_policy_and_text(variant: Variant, browser: Browsers) -> None:
    ftp = exceptions.exception(variant, ticket="OPS-1")
    web = exceptions.exception(variant, namespace="shop", workloads=exceptions.named("cart"))
    client = browser("viewer")

    for query, found, hidden in (
        ({"team": "data"}, ftp, web),
        ({"team": "web"}, web, ftp),
        ({"q": "cart"}, web, ftp),
        ({"q": "OPS-1"}, ftp, web),
        ({"q": "shop"}, web, ftp),
    ):
        text = client.get("/exceptions/", query).text
        assert f"/exceptions/{found.pk}/" in text, query
        assert f"/exceptions/{hidden.pk}/" not in text, query
    for query in ({"cluster": "elsewhere"}, {"policy": "another"}):
        assert "None that this filter lets through" in client.get("/exceptions/", query).text


@pytest.mark.parametrize(
    "query", ["show=nonsense", "page=-1", "page=x", "page=99999999999999999999", "page=²"]
)
def test_board_takes_nonsense_for_no_filter(
    variant: Variant, browser: Browsers, query: str
) -> None:
    assert browser("viewer").get(f"/exceptions/?{query}").status_code == 200


def test_board_as_a_fragment_is_the_board_alone(variant: Variant, browser: Browsers) -> None:
    text = browser("viewer").get("/exceptions/", headers=HTMX).text

    assert text.lstrip().startswith('<div id="board">')
    assert "<html" not in text


def test_owner_sees_the_exceptions_of_the_own_namespaces_alone(variant: Variant) -> None:
    own = exceptions.exception(variant)
    foreign = exceptions.exception(variant, namespace="shop")
    client = owner_of("data")

    text = client.get("/exceptions/").text

    assert f"/exceptions/{own.pk}/" in text
    assert f"/exceptions/{foreign.pk}/" not in text
    assert client.get(f"/exceptions/{own.pk}/").status_code == 200
    assert client.get(f"/exceptions/{foreign.pk}/").status_code == 404
    assert client.get(f"/exceptions/{foreign.pk}/progress/").status_code == 404


@pytest.mark.parametrize("count", [0, 1, 30, 5000])
def test_board_costs_the_same_whatever_the_size(
    variant: Variant,
    browser: Browsers,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    client = browser("viewer")
    one = exceptions.exception(variant, Status.IN_FORCE)
    ExceptionRequest.objects.all().delete()
    fields = {
        field.attname: getattr(one, field.attname)
        for field in ExceptionRequest._meta.concrete_fields
        if field.attname != "id"
    }
    ExceptionRequest.objects.bulk_create(ExceptionRequest(**fields) for _ in range(count))

    with django_assert_num_queries(BOARD_COST):
        text = client.get("/exceptions/?show=in-force").text

    assert f"{min(count, 50)} of {count:,}" in text


def test_board_opens_the_rows_behind_each_number(variant: Variant, browser: Browsers) -> None:
    for number in range(60):
        exceptions.exception(variant, Status.IN_FORCE, workloads=exceptions.named(f"w-{number:02}"))
    client = browser("viewer")

    first = client.get("/exceptions/?show=in-force&cluster=prod").text
    second = client.get("/exceptions/?show=in-force&cluster=prod&page=2").text

    assert "50 of 60" in first
    assert "10 of 60" in second
    assert "show=in-force&amp;cluster=prod&amp;page=2" in first


def test_page_says_the_exception_in_words(variant: Variant, browser: Browsers) -> None:
    ends_at = timezone.now().replace(2099, 1, 12)
    made = exceptions.exception(
        variant, Status.IN_FORCE, workloads=exceptions.named("ftp", LONG), ends_at=ends_at
    )
    factories.workload(variant.cluster, "batch", "ftp")

    text = browser("viewer").get(f"/exceptions/{made.pk}/").text

    assert f"Exempt Deployment ftp, Deployment {LONG} in batch" in text
    assert "from require-seccomp until 12 Jan 2099" in text
    assert "The vendor ships no profile yet." in text
    assert "Only the partner network reaches it." in text
    assert "Still needed" in text
    assert "Not there" in text
    assert "1 of 2 workloads fail without it" in text


@pytest.mark.parametrize(
    ("ticket", "is_link"),
    [
        ("https://tickets.example/1", True),
        ("http://tickets.example/1", True),
        ("OPS-1", False),
        ("javascript:alert(1)", False),
        ("//tickets.example", False),
    ],
)
def test_ticket_is_a_link_for_http_alone(
    variant: Variant, browser: Browsers, ticket: str, is_link: bool
) -> None:
    made = exceptions.exception(variant, ticket=ticket)

    text = browser("viewer").get(f"/exceptions/{made.pk}/").text

    assert (f'href="{ticket}"' in text) is is_link
    assert ticket in text


def test_page_tells_each_role_what_it_may_do(variant: Variant, browser: Browsers) -> None:
    made = exceptions.exception(variant, requested_by=factories.user("admin"))
    address = f"/exceptions/{made.pk}/"

    own, approver = browser("admin").get(address).text, browser("approver").get(address).text
    viewer = browser("viewer").get(address).text

    assert "You asked for this exception; somebody else has to decide." in own
    assert "Withdraw" in own
    assert 'name="comment"' in approver
    assert "Withdraw" not in approver
    assert "that takes the role admin or approver" in viewer


def test_page_of_an_enforced_namespace_says_what_the_end_would_refuse(
    variant: Variant, browser: Browsers
) -> None:
    factories.enforced(variant, "batch")
    factories.workload(variant.cluster, "batch", "ftp")
    made = exceptions.exception(variant, Status.IN_FORCE)

    text = browser("approver").get(f"/exceptions/{made.pk}/").text

    assert "refused at its next restart" in text
    assert "Why open gates may be overridden" in text


def test_home_shows_what_waits_what_ends_and_what_failed(
    variant: Variant, browser: Browsers
) -> None:
    soon = timezone.now() + timedelta(days=3)
    waits = exceptions.exception(variant)
    ends = exceptions.exception(variant, Status.IN_FORCE, ends_at=soon)
    failed = exceptions.exception(variant, Status.FAILED, closing_message="The pod was refused.")

    own, approver = browser("operator").get("/").text, browser("approver").get("/").text
    owner = owner_of("data").get("/").text

    assert f"/exceptions/{waits.pk}/" in approver
    assert 'Exceptions</span>\n            \n              <span class="badge-count">1' in approver
    assert f"/exceptions/{ends.pk}/" in own
    assert f"/exceptions/{ends.pk}/" in owner
    assert f"/exceptions/{ends.pk}/" not in approver
    assert f"/exceptions/{failed.pk}/" in approver
    assert "The pod was refused." in approver


def test_home_calls_an_end_that_has_not_come_overdue(variant: Variant, browser: Browsers) -> None:
    late = exceptions.exception(
        variant, Status.IN_FORCE, ends_at=timezone.now() - timedelta(minutes=5)
    )

    text = browser("viewer").get("/").text

    assert f"/exceptions/{late.pk}/" in text
    assert "Overdue" in text


def test_review_keeps_the_exempt_apart_from_what_would_be_refused(
    variant: Variant, browser: Browsers
) -> None:
    factories.judged(variant, ["batch"], failing_count=2)
    factories.workload(variant.cluster, "batch", "ftp")
    factories.workload(variant.cluster, "batch", "cart")
    made = exceptions.exception(variant, Status.IN_FORCE)

    text = browser("operator").get(f"/reviews/{variant.pk}/batch/").text

    refused, exempt = text.split('id="exempt"')
    assert "cart" in refused
    assert "workload=Deployment%2Fcart" in refused
    assert "admitted by an exception" in exempt
    assert f"/exceptions/{made.pk}/" in exempt


def test_cell_counts_the_exempt_and_leaves_them_out_of_the_refused(
    variant: Variant, browser: Browsers
) -> None:
    factories.judged(variant, ["batch"], failing_count=2)
    factories.workload(variant.cluster, "batch", "ftp")
    factories.workload(variant.cluster, "batch", "cart")
    exceptions.exception(variant, Status.IN_FORCE)

    text = browser("operator").get(f"/readiness/{variant.pk}/batch/", headers=HTMX).text

    assert "Exempt" in text
    assert "1 workload" in text
    assert "<strong>cart</strong>" in text
    assert "<strong>ftp</strong>" not in text
    assert "Ask for exception" in text


def test_posture_offers_an_exception_beside_the_review(variant: Variant, browser: Browsers) -> None:
    factories.workload(variant.cluster, "batch", "ftp")

    text = browser("operator").get("/posture/").text

    assert f"/exceptions/new/?variant={variant.pk}&amp;namespace=batch" in text


@pytest.mark.parametrize(("enabled", "is_told"), [("true", False), ("false", True)])
def test_home_calls_what_the_engine_passes_over_inert(
    variant: Variant, browser: Browsers, enabled: str, is_told: bool
) -> None:
    made = exceptions.exception(variant, Status.IN_FORCE)
    ObservedController.objects.create(
        cluster=variant.cluster,
        component="admission-controller",
        namespace="kyverno",
        name="kyverno-admission-controller",
        version="1.19.1",
        flags={"--enablePolicyException": enabled, "--exceptionNamespace": "kyverno"},
    )
    client = browser("viewer")

    home, page = client.get("/").text, client.get(f"/exceptions/{made.pk}/").text

    assert ("Inert" in home) is is_told
    assert ("It would be inert" in page) is is_told
    assert ("Set --enablePolicyException=true" in page) is is_told
