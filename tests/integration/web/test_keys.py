"""Rotation of the secret key: people stay signed in while the old one is listed, and not a day longer."""

from django.test import Client
from pytest_django import Settings

from tests import factories

OLD, NEW = "old-key-" * 8, "new-key-" * 8


def signed_in_under_the_old_key(settings: Settings) -> Client:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    factories.user("viewer")
    client = Client()
    client.post("/login/", {"username": "viewer", "password": factories.PASSWORD})
    assert client.get("/").status_code == 200
    return client


def test_session_survives_a_new_key_while_the_old_one_is_listed(
    db: None, settings: Settings
) -> None:
    client = signed_in_under_the_old_key(settings)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert client.get("/").status_code == 200

    # The session was written anew under the new key, and so outlives the old one.
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/").status_code == 200


def test_session_ends_when_its_key_is_no_longer_listed(db: None, settings: Settings) -> None:
    client = signed_in_under_the_old_key(settings)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, []

    assert client.get("/").status_code == 302


def test_form_opened_under_the_old_key_may_still_be_sent(db: None, settings: Settings) -> None:
    signed_in_under_the_old_key(settings)
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("viewer"))
    text = client.get("/").text
    token = text.split('"X-CSRFToken": "')[1].split('"')[0]

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]

    response = client.post("/theme/", {"theme": "dark"}, headers={"X-CSRFToken": token})
    assert response.status_code == 303
