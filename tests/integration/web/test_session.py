"""Nothing is shown to somebody who has not signed in, and the theme is theirs to choose."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories

PAGES = (
    ("home", ()),
    ("clusters", ()),
    ("cluster-new", ()),
    ("cluster", (1,)),
    ("readiness", ()),
    ("cell", (1, "shop")),
    ("review", (1, "shop")),
    ("variants", ()),
    ("variant-new", ()),
    ("variant", (1,)),
    ("plan-new", ()),
    ("flips", ()),
    ("flip", (uuid4(),)),
    ("flip-progress", (uuid4(),)),
    ("trail", ()),
)
POSTS = (
    ("cluster-test", (1,)),
    ("cluster-collect", (1,)),
    ("cluster-credential", (1,)),
    ("review-rehearse", (1, "shop")),
    ("variant-roll-back", (1,)),
    ("flip-request", ()),
    ("flip-approve", (uuid4(),)),
    ("flip-decline", (uuid4(),)),
    ("flip-withdraw", (uuid4(),)),
)


@pytest.mark.parametrize(("name", "arguments"), PAGES)
def test_page_anonymous_leads_to_sign_in(
    db: None, client: Client, name: str, arguments: tuple[object, ...]
) -> None:
    response = client.get(reverse(f"policies:{name}", args=arguments))

    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("policies:login"))


@pytest.mark.parametrize(("name", "arguments"), POSTS)
def test_post_anonymous_leads_to_sign_in(
    db: None, client: Client, name: str, arguments: tuple[object, ...]
) -> None:
    response = client.post(reverse(f"policies:{name}", args=arguments))

    assert response.headers["Location"].startswith(reverse("policies:login"))


@pytest.mark.parametrize(("name", "arguments"), POSTS)
def test_post_asked_for_by_get_is_refused(
    browser: Callable[[str], Client], name: str, arguments: tuple[object, ...]
) -> None:
    response = browser("admin").get(reverse(f"policies:{name}", args=arguments))

    assert response.status_code == 405


def test_fragment_after_the_session_ended_leads_the_whole_page_to_sign_in(
    db: None, client: Client
) -> None:
    response = client.get("/readiness/", headers={"HX-Request": "true"})

    assert response.headers["HX-Redirect"] == "/login/"


def test_sign_in_right_password_leads_home(db: None, client: Client) -> None:
    factories.user("operator")
    form = {"username": "operator", "password": factories.PASSWORD, "next": ""}

    response = client.post("/login/", form, follow=True)

    assert response.redirect_chain == [("/", 302)]
    assert "Sign out" in response.text


def test_sign_in_wrong_password_says_so(db: None, client: Client) -> None:
    factories.user("operator")

    response = client.post("/login/", {"username": "operator", "password": "wrong"})

    assert "The name or the password is not right." in response.text


def test_sign_out_ends_the_session(browser: Callable[[str], Client]) -> None:
    client = browser("viewer")

    client.post("/logout/")

    assert client.get("/").status_code == 302


def test_theme_chosen_is_kept_and_leads_back(browser: Callable[[str], Client]) -> None:
    client = browser("viewer")

    response = client.post("/theme/", {"theme": "dark", "next": "/trail/"}, follow=True)

    assert response.redirect_chain == [("/trail/", 303)]
    assert 'data-theme="dark"' in response.text


@pytest.mark.parametrize(
    "to",
    ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "0", "trail/"],
)
def test_theme_foreign_address_leads_home(browser: Callable[[str], Client], to: str) -> None:
    response = browser("viewer").post("/theme/", {"theme": "dark", "next": to})

    assert response.headers["Location"] == "/"
