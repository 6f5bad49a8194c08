"""The demanded second factor: who has to give it for what, where it leads, how long it counts, and what it cannot be."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import travel

from policies.domain.authority import Act
from policies.domain.lifecycle import FlipStatus
from policies.models import Flip
from policies.web.actors import actor_of
from tests import factories
from tests.integration.web.conftest import HTMX
from tests.signing import code, give_app, newest, sign_in, signed_in, verbs

pytestmark = pytest.mark.django_db
REASON = "takes your second factor: confirm it is you, then try again."


@pytest.fixture(autouse=True)
def _demanded(settings: Any) -> None:
    settings.SECPROF_SECOND_FACTOR_FOR = ("approve", "weaken")


@pytest.fixture
def flip() -> Flip:
    variant = factories.variant(factories.cluster())
    return factories.flip(variant, FlipStatus.REQUESTED, "shop")


@pytest.fixture
def approver() -> Client:
    """Signed in by password before there was a second factor; now there is one."""
    client = signed_in("approver")
    give_app(factories.user("approver"))
    return client


def with_factor(role: str) -> Client:
    """Signed in by password and second factor."""
    give_app(factories.user(role))
    client = Client()
    sign_in(client, role)
    client.post("/login/second-factor/", {"code": code()})
    return client


def test_button_says_why_and_leads_to_the_confirmation(approver: Client, flip: Flip) -> None:
    text = approver.get(f"/flips/{flip.pk}/").text

    assert f"To approve or decline a flip {REASON}" in text
    assert '<a href="/account/step-up/">Confirm it is you</a>' in text
    assert "Approve this plan" in text


def test_approval_without_it_leads_to_the_confirmation_and_changes_nothing(
    approver: Client, flip: Flip
) -> None:
    page = f"/flips/{flip.pk}/"

    response = approver.post(
        f"{page}approve/",
        {"plan_digest": flip.plan_digest},
        headers={"Referer": f"http://testserver{page}"},
    )

    assert response.status_code == 303
    assert response.headers["Location"] == f"/account/step-up/?next=%2Fflips%2F{flip.pk}%2F"
    flip.refresh_from_db()
    assert flip.status == FlipStatus.REQUESTED
    asked = approver.get(response.headers["Location"], follow=True)
    assert asked.redirect_chain[-1][0] == f"/account/confirm/?next=%2Fflips%2F{flip.pk}%2F"
    assert REASON in asked.text


def test_approval_by_htmx_leads_the_whole_page(approver: Client, flip: Flip) -> None:
    page = f"/flips/{flip.pk}/"
    shown = {"HX-Current-URL": f"http://testserver{page}?tab=diff#x"}

    response = approver.post(
        f"{page}approve/", {"plan_digest": flip.plan_digest}, headers={**HTMX, **shown}
    )

    expected = f"/account/step-up/?next=%2Fflips%2F{flip.pk}%2F%3Ftab%3Ddiff"
    assert response.headers["HX-Redirect"] == expected


@pytest.mark.parametrize("referrer", ["https://evil.example/x", "", "//evil.example/", "junk"])
def test_approval_from_elsewhere_leads_back_home(
    approver: Client, flip: Flip, referrer: str
) -> None:
    response = approver.post(
        f"/flips/{flip.pk}/decline/", {"comment": "no"}, headers={"Referer": referrer}
    )

    assert response.headers["Location"] == "/account/step-up/?next=%2F"


def test_confirmed_by_code_leads_back_and_opens_the_buttons(approver: Client, flip: Flip) -> None:
    page = f"/flips/{flip.pk}/"

    response = approver.post("/account/confirm/", {"code": code(), "next": page})

    assert response.headers["Location"] == page
    text = approver.get(page).text
    assert REASON not in text
    assert "Approving plan" in text
    assert newest("sign_in.confirmed").details["value"] == "the authenticator app"
    approver.post(f"{page}decline/", {"comment": "not today"})
    flip.refresh_from_db()
    assert flip.status == FlipStatus.DECLINED


def test_wrong_code_confirms_nothing_and_is_told(approver: Client, flip: Flip) -> None:
    response = approver.post("/account/confirm/", {"code": "000000", "next": "/"})

    assert "This code is not right." in response.text
    assert newest("sign_in.not_confirmed").outcome == "refused"
    assert REASON in approver.get(f"/flips/{flip.pk}/").text


def test_foreign_address_to_go_back_to_is_not_followed(approver: Client) -> None:
    response = approver.post("/account/confirm/", {"code": code(), "next": "https://evil.example/"})

    assert response.headers["Location"] == "/"


def test_password_confirms_nothing_for_who_has_a_factor(approver: Client, flip: Flip) -> None:
    response = approver.post("/account/confirm/password/", {"password": factories.PASSWORD})

    assert response.headers["Location"].startswith("/account/confirm/")
    assert REASON in approver.get(f"/flips/{flip.pk}/").text


def test_password_typed_again_is_no_second_factor(flip: Flip) -> None:
    client = signed_in("approver")
    client.post("/account/confirm/password/", {"password": factories.PASSWORD})

    assert REASON in client.get(f"/flips/{flip.pk}/").text


def test_who_has_none_is_led_to_set_one_up(flip: Flip) -> None:
    client = signed_in("approver")

    response = client.post(f"/flips/{flip.pk}/decline/", {"comment": "no"}, follow=True)

    assert response.redirect_chain[-1][0].startswith("/account/step-up/")
    assert "A second factor is needed" in response.text
    assert "Set up an authenticator app" in response.text
    assert REASON in response.text


def test_factor_at_sign_in_counts_for_its_time(flip: Flip) -> None:
    start = timezone.now()
    with travel(start, tick=False) as clock:
        client = with_factor("approver")
        assert REASON not in client.get(f"/flips/{flip.pk}/").text
        clock.shift(timedelta(seconds=899))
        assert REASON not in client.get(f"/flips/{flip.pk}/").text
        clock.shift(timedelta(seconds=2))
        assert REASON in client.get(f"/flips/{flip.pk}/").text


def test_factor_of_one_session_does_not_count_in_another(flip: Flip) -> None:
    before = signed_in("approver")
    with_factor("approver")

    assert REASON in before.get(f"/flips/{flip.pk}/").text


@pytest.mark.parametrize("act", [Act.ROLL_BACK, Act.END_EXCEPTION, Act.DECIDE_EXCEPTION])
def test_demanded_acts_are_unproven_for_a_user_without_a_session(act: Act) -> None:
    assert act in actor_of(factories.user("admin")).unproven_acts


def test_acts_that_are_not_demanded_need_nothing() -> None:
    unproven = actor_of(factories.user("admin")).unproven_acts

    assert Act.OVERRIDE_GATES not in unproven
    assert Act.REQUEST_FLIP not in unproven


def test_nothing_demanded_asks_nobody(
    settings: Any, browser: Callable[[str], Client], flip: Flip
) -> None:
    settings.SECPROF_SECOND_FACTOR_FOR = ()

    text = browser("approver").get(f"/flips/{flip.pk}/").text

    assert REASON not in text
    assert "Approving plan" in text


def test_wrong_role_is_told_so_and_not_led_anywhere(flip: Flip) -> None:
    response = with_factor("viewer").post(f"/flips/{flip.pk}/decline/", {"comment": "no"})

    assert response.status_code == 403
    assert "that takes the role" in response.text


def test_confirmation_guessed_too_often_is_page_429(approver: Client) -> None:
    answers = [approver.post("/account/confirm/", {"code": "000000"}).status_code for _ in range(6)]

    assert answers == [200] * 5 + [429]
    assert verbs().count("sign_in.not_confirmed") == 5
