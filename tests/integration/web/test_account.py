"""One's own account: second factors, recovery codes, password and sessions."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks
from time_machine import travel

from tests import factories
from tests.signing import code, give_app, newest, sign_in, signed_in, verbs

pytestmark = pytest.mark.django_db

PAGES = (
    *("/account/", "/account/sessions/", "/account/step-up/", "/account/confirm/"),
    *("/account/password/", "/account/app/add/", "/account/app/remove/", "/account/passkeys/add/"),
    *("/account/recovery-codes/", "/account/recovery-codes/make/", "/account/confirm/password/"),
    *("/account/passkeys/1/rename/", "/account/passkeys/1/remove/"),
)
NEW_PASSWORD = "another-horse-battery"


@pytest.mark.parametrize("path", PAGES)
def test_page_anonymous_leads_to_sign_in(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login/")


@pytest.mark.parametrize("path", ["/account/sessions/1/end/", "/account/sessions/end-others/"])
def test_post_anonymous_leads_to_sign_in(client: Client, path: str) -> None:
    assert client.post(path).headers["Location"].startswith("/login/")
    assert signed_in("viewer").get(path).status_code == 405


def confirmed(role: str = "approver") -> Client:
    """A browser whose person has typed the password once more."""
    client = signed_in(role)
    client.post("/account/confirm/password/", {"password": factories.PASSWORD})
    return client


def test_app_is_set_up_with_the_password_and_its_first_code(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = signed_in("approver")
    asked = client.get("/account/app/add/")
    assert asked.headers["Location"].startswith("/account/confirm/password/")
    again = client.post(asked.headers["Location"], {"password": factories.PASSWORD}, follow=True)
    secret = re.search(r'id="key">([A-Z2-7]+)<', again.text)
    assert secret

    with django_capture_on_commit_callbacks(execute=True):
        response = client.post("/account/app/add/", {"code": code(secret[1])}, follow=True)

    assert "They are shown this once." in response.text
    assert set(verbs()) >= {"sign_in.factor_added", "sign_in.codes_made"}
    assert newest("sign_in.factor_added").details["value"] == "the authenticator app"
    assert secret[1] not in str(newest("sign_in.factor_added").details)
    again = client.get("/account/recovery-codes/")
    assert "not shown again" in again.text


def test_app_wrong_first_code_sets_nothing_up() -> None:
    client = confirmed()
    client.get("/account/app/add/")

    response = client.post("/account/app/add/", {"code": "000000"})

    assert "This code is not right." in response.text
    assert not Authenticator.objects.exists()


def test_app_wrong_password_sets_nothing_up() -> None:
    client = signed_in("approver")

    response = client.post("/account/confirm/password/", {"password": "wrong"})

    assert "The password is not right." in response.text
    assert client.get("/account/app/add/").status_code == 302


def test_factor_is_removed_with_the_factor_never_with_the_password_alone() -> None:
    user = factories.user("approver")
    client = signed_in("approver")
    give_app(user)

    client.post("/account/confirm/password/", {"password": factories.PASSWORD})
    refused = client.post("/account/app/remove/")

    assert refused.headers["Location"].startswith("/account/confirm/?")
    assert Authenticator.objects.count() == 2
    client.post("/account/confirm/", {"code": code()})
    client.post("/account/app/remove/")
    assert not Authenticator.objects.exists()
    assert newest("sign_in.factor_removed").actor == "approver"


def test_account_page_says_what_protects_it() -> None:
    client = signed_in("approver")
    assert "None yet" in client.get("/account/").text

    give_app(factories.user("approver"))

    text = client.get("/account/").text
    assert "Authenticator app" in text
    assert "10 left" in text
    assert "1 browser signed in" in text


def test_recovery_codes_made_anew_void_the_old(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    old = give_app(factories.user("approver"))
    client = Client()
    sign_in(client, "approver")
    client.post("/login/second-factor/", {"code": old[0]})
    client.post("/account/confirm/", {"code": code()})

    with django_capture_on_commit_callbacks(execute=True):
        client.post("/account/recovery-codes/make/")

    assert newest("sign_in.codes_made").actor == "approver"
    other = Client()
    sign_in(other, "approver")
    assert other.post("/login/second-factor/", {"code": old[1]}).status_code == 200


def test_passkeys_are_offered_at_a_host_name_only() -> None:
    client = confirmed()

    assert "Not at this address" in client.get("/account/passkeys/add/").text
    at_name = client.get("/account/passkeys/add/", headers={"Host": "localhost"})
    assert "data-passkey=&quot;create&quot;" not in at_name.text
    assert 'data-passkey="create"' in at_name.text


@pytest.mark.parametrize(
    "credential",
    ["", "{}", "7", '{"id": "x"}', '{"id": "eA", "rawId": "eA", "response": {}}', "[" * 9000],
)
def test_passkey_that_is_none_is_not_added(credential: str) -> None:
    client = confirmed()
    client.get("/account/passkeys/add/", headers={"Host": "localhost"})

    response = client.post(
        "/account/passkeys/add/",
        {"name": "key", "credential": credential},
        headers={"Host": "localhost"},
    )

    assert response.status_code == 200
    assert not Authenticator.objects.exists()


def test_passkey_of_somebody_else_is_404() -> None:
    user = factories.user("operator")
    key = Authenticator.objects.create(user=user, type="webauthn", data={"name": "theirs"})
    client = confirmed()

    assert client.post(f"/account/passkeys/{key.pk}/remove/").status_code == 404
    assert client.post(f"/account/passkeys/{key.pk}/rename/", {"name": "x"}).status_code == 404
    assert Authenticator.objects.filter(pk=key.pk).exists()


def test_password_change_ends_other_sessions_and_keeps_this_one() -> None:
    here, elsewhere = signed_in("viewer"), signed_in("viewer")
    form = {"oldpassword": factories.PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    response = here.post("/account/password/", form, follow=True)

    assert "your other sessions have ended" in response.text
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert newest("sign_in.password_changed").actor == "viewer"
    assert sign_in(Client(), "viewer", NEW_PASSWORD).status_code == 302


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"oldpassword": "wrong"}, "This is not your present password."),
        ({"password1": "short1", "password2": "short1"}, "too short"),
        ({"password2": "something-else-1"}, "same password each time"),
    ],
)
def test_password_change_that_is_wrong_says_so(changes: dict[str, str], says: str) -> None:
    client = signed_in("viewer")
    form = {"oldpassword": factories.PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    response = client.post("/account/password/", form | changes)

    assert says in response.text
    assert "sign_in.password_changed" not in verbs()


def test_sessions_are_listed_with_device_address_and_last_use() -> None:
    here = signed_in("viewer")
    signed_in("viewer", **{"User-Agent": "curl/8.1"})
    signed_in("operator")

    text = here.get("/account/sessions/").text

    assert text.count("<tr>") == 3
    assert "Firefox on Linux" in text
    assert "curl" in text
    assert "This one" in text
    assert "127.0.0.1" in text


def test_session_ended_is_signed_out_at_once() -> None:
    here, elsewhere = signed_in("viewer"), signed_in("viewer", **{"User-Agent": "curl/8.1"})
    other = UserSession.objects.get(user_agent="curl/8.1")

    response = here.post(f"/account/sessions/{other.pk}/end/", follow=True)

    assert "That session has ended." in response.text
    assert elsewhere.get("/").status_code == 302
    assert newest("sign_in.session_ended").details["device"] == "curl"
    assert here.post(f"/account/sessions/{other.pk}/end/").status_code == 409


def test_session_of_somebody_else_cannot_be_ended() -> None:
    theirs = signed_in("operator")
    other = UserSession.objects.get(user__username="operator")

    assert signed_in("viewer").post(f"/account/sessions/{other.pk}/end/").status_code == 409
    assert theirs.get("/").status_code == 200


def test_other_sessions_ended_leave_this_one() -> None:
    here, *others = (signed_in("viewer") for _ in range(3))

    response = here.post("/account/sessions/end-others/", follow=True)

    assert "2 other sessions ended." in response.text
    assert [each.get("/").status_code for each in (here, *others)] == [200, 302, 302]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([1801], "because nobody used it"),
        ([1700] * 26, "after its longest time"),
    ],
)
def test_session_ends_by_itself(steps: list[int], why: str) -> None:
    start = timezone.now()
    with travel(start, tick=False) as clock:
        client = signed_in("viewer")
        for seconds in steps:
            clock.shift(timedelta(seconds=seconds))
            response = client.get("/", follow=True)

    assert response.redirect_chain[-1][0].startswith("/login/")
    assert f"Your session has ended {why}." in response.text
    assert newest("sign_in.session_ended").message == f"By itself, {why}."


def test_session_in_use_goes_on_and_notes_when_it_was_seen() -> None:
    with travel(timezone.now(), tick=False) as clock:
        client = signed_in("viewer")
        for _ in range(3):
            clock.shift(timedelta(seconds=1200))
            assert client.get("/").status_code == 200
        seen_at = timezone.now()

    assert UserSession.objects.get().last_seen_at == seen_at
