"""Getting in: by password and second factor, what is throttled, what the trail says, and what can be reached at all."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import NoReverseMatch, reverse
from redis.exceptions import ConnectionError as RedisDown

from policies.actions.sign_in import NOBODY
from policies.models import AuditEvent
from policies.web.sign_in.accounts import UNKNOWN_ADDRESS
from tests import factories
from tests.signing import code, give_app, newest, sign_in, signed_in, verbs

pytestmark = pytest.mark.django_db

NOT_ROUTED = (
    *("account_signup", "account_email", "account_reset_password", "account_confirm_email"),
    *("socialaccount_signup", "socialaccount_connections", "mfa_signup_webauthn", "mfa_trust"),
    *("account_request_login_code", "mfa_download_recovery_codes"),
)


def test_sign_in_leaves_a_row_without_the_password(client: Client) -> None:
    factories.user("operator")

    sign_in(client, "operator")

    row = newest("sign_in.done")
    assert (row.actor, row.outcome) == ("operator", "ok")
    assert row.details["value"] == "by password"
    assert row.details["address"] == "127.0.0.1"
    assert factories.PASSWORD not in str(AuditEvent.objects.values())


def test_sign_in_name_in_other_letters_is_the_same_person(client: Client) -> None:
    factories.user("operator")

    assert sign_in(client, "Operator").status_code == 302


@pytest.mark.parametrize(
    ("name", "actor"),
    [
        ("operator", "operator"),
        ("OPERATOR", "operator"),
        ("my-secret-in-the-wrong-field", NOBODY),
    ],
)
def test_sign_in_wrong_password_says_the_same_for_every_name(
    client: Client, name: str, actor: str
) -> None:
    factories.user("operator")

    response = sign_in(client, name, "wrong-and-secret")

    assert "The name or the password is not right." in response.text
    row = newest("sign_in.failed")
    assert (row.actor, row.outcome) == (actor, "refused")
    trail = str(AuditEvent.objects.values())
    assert "wrong-and-secret" not in trail
    assert "my-secret" not in trail


def test_sign_in_endless_name_is_refused_and_cut(client: Client) -> None:
    response = sign_in(client, "x" * 5000, "wrong")

    assert response.status_code == 200
    assert "at most 150 characters" in response.text
    assert verbs() == []


def test_sign_in_name_that_is_nobodys_leaves_its_beginning(client: Client) -> None:
    sign_in(client, "eve\x1b[31m", "wrong")

    row = newest("sign_in.failed")
    assert (row.actor, row.details["typed"]) == (NOBODY, "ev…")


def test_sign_in_to_a_switched_off_account_is_refused_in_words(client: Client) -> None:
    user = factories.user("operator")
    user.is_active = False
    user.save(update_fields=["is_active"])

    response = sign_in(client, "operator")

    assert response.status_code == 403
    assert "Your account is switched off" in response.text
    assert newest("sign_in.failed").details["value"] == "to an account that is switched off"
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("to", "lands"),
    [("/trail/?q=x", "/trail/?q=x"), ("https://evil.example/", "/"), ("//evil.example", "/")],
)
def test_sign_in_leads_on_within_the_site_only(client: Client, to: str, lands: str) -> None:
    factories.user("operator")

    assert sign_in(client, "operator", next=to).headers["Location"] == lands


def test_sixth_wrong_password_is_page_429_and_locks_the_right_one_out(client: Client) -> None:
    factories.user("operator")
    for _ in range(5):
        sign_in(client, "operator", "wrong")

    response = sign_in(client, "operator")

    assert response.status_code == 429
    assert "Too many attempts" in response.text
    assert verbs() == ["sign_in.failed"] * 5


def test_one_address_trying_many_names_is_throttled(client: Client) -> None:
    for number in range(10):
        assert sign_in(client, f"name{number}", "wrong").status_code == 200

    assert sign_in(client, "name10", "wrong").status_code == 429


def test_forwarded_address_is_not_believed_without_trusted_proxies(client: Client) -> None:
    for number in range(11):
        response = client.post(
            "/login/",
            {"username": f"name{number}", "password": "wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{number}"},
        )

    assert response.status_code == 429
    assert newest("sign_in.failed").details["address"] == "127.0.0.1"


def test_forwarded_address_is_taken_from_the_trusted_proxy(client: Client, settings: Any) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1

    client.post(
        "/login/",
        {"username": "eve", "password": "wrong"},
        headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"},
    )

    assert newest("sign_in.failed").details["address"] == "203.0.113.9"


@pytest.mark.parametrize(
    "header", ["", "203.0.113.9", "junk, junk", ", ", "203.0.113.9, 999.1.1.1"]
)
def test_forwarded_address_that_cannot_be_is_the_senders_own(
    client: Client, settings: Any, header: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2 if header == "203.0.113.9" else 1

    sent = {"X-Forwarded-For": header} if header else {}
    response = client.post("/login/", {"username": "eve", "password": "wrong"}, headers=sent)

    assert response.status_code == 200
    assert newest("sign_in.failed").details["address"] == "127.0.0.1"


def test_visitor_over_a_unix_socket_has_no_address(client: Client) -> None:
    client.post("/login/", {"username": "eve", "password": "wrong"}, REMOTE_ADDR="")

    assert newest("sign_in.failed").details["address"] == UNKNOWN_ADDRESS


@pytest.mark.parametrize("odd", ["é" * 6, "1" * 19, " ", "\uff11" * 6])
def test_second_factor_odd_code_is_refused(client: Client, odd: str) -> None:
    give_app(factories.user("approver"))
    sign_in(client, "approver")

    response = client.post("/login/second-factor/", {"code": odd})

    assert response.status_code == 200
    assert "field-error" in response.text
    assert client.get("/").status_code == 302


def test_cache_that_does_not_answer_is_said(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise RedisDown("no route")

    factories.user("operator")
    monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.add", down)

    response = sign_in(client, "operator")

    assert response.status_code == 503
    assert "Signing in is not possible now" in response.text


def test_second_factor_is_asked_for_and_lets_in(client: Client) -> None:
    give_app(factories.user("approver"))

    asked = sign_in(client, "approver", next="/trail/")

    assert asked.headers["Location"] == "/login/second-factor/"
    assert client.get("/").status_code == 302
    page = client.get("/login/second-factor/")
    assert "Code from your app" in page.text
    response = client.post("/login/second-factor/", {"code": code()})
    assert response.headers["Location"] == "/trail/"
    assert newest("sign_in.done").details["value"] == "by password and authenticator app"


def test_second_factor_wrong_code_is_refused_and_told(client: Client) -> None:
    give_app(factories.user("approver"))
    sign_in(client, "approver")

    response = client.post("/login/second-factor/", {"code": "000000"})

    assert "This code is not right." in response.text
    assert newest("sign_in.factor_failed").actor == "approver"
    assert "000000" not in str(AuditEvent.objects.values("actor", "message", "details"))
    assert client.get("/").status_code == 302


def test_second_factor_code_counts_once(client: Client) -> None:
    give_app(factories.user("approver"))
    sign_in(client, "approver")
    used = code()
    client.post("/login/second-factor/", {"code": used})
    other = Client()
    sign_in(other, "approver")

    assert "This code is not right." in other.post("/login/second-factor/", {"code": used}).text


def test_second_factor_guessed_too_often_is_page_429(client: Client) -> None:
    give_app(factories.user("approver"))
    sign_in(client, "approver")
    for _ in range(5):
        client.post("/login/second-factor/", {"code": "000000"})

    assert client.post("/login/second-factor/", {"code": code()}).status_code == 429


def test_second_factor_without_a_password_leads_to_sign_in(client: Client) -> None:
    response = client.get("/login/second-factor/")

    assert response.headers["Location"] == "/login/"


def test_recovery_code_lets_in_once_and_is_told(client: Client) -> None:
    first, *rest = give_app(factories.user("approver"))
    sign_in(client, "approver")

    assert client.post("/login/second-factor/", {"code": first}).status_code == 302

    assert newest("sign_in.code_used").details["value"] == f"{len(rest)} left"
    assert first not in str(AuditEvent.objects.values())
    other = Client()
    sign_in(other, "approver")
    assert other.post("/login/second-factor/", {"code": first}).status_code == 200


def test_secrets_of_second_factors_are_sealed_at_rest() -> None:
    codes = give_app(factories.user("approver"))

    stored = str(list(Authenticator.objects.values("data")))

    assert "JBSWY3DP" not in stored
    assert not any(each in stored for each in codes)
    assert stored.count("gAAAA") == 2


@pytest.mark.parametrize(
    "credential",
    [
        *("", "x", "{}", "[]", "7", '{"id": "x"}', '{"response": {"userHandle": 7}}'),
        *('{"response": 7}', '{"response": {"userHandle": "eA"}}', "[" * 9000, "{" + "x" * 30_000),
    ],
)
def test_passkey_that_is_none_leads_back_to_sign_in(client: Client, credential: str) -> None:
    client.get("/login/passkey/", headers={"Accept": "application/json"})

    response = client.post("/login/passkey/", {"credential": credential})

    assert response.status_code == 302
    assert response.headers["Location"] == "/login/"
    assert newest("sign_in.failed").details["value"] == "by passkey"


def test_sign_out_is_told_and_takes_the_session_away() -> None:
    client = signed_in("viewer")

    response = client.post("/logout/")

    assert (response.status_code, response.headers["Location"]) == (303, "/login/")
    assert newest("sign_in.out").actor == "viewer"
    assert client.get("/").status_code == 302


def test_sign_out_of_nobody_leaves_no_row(client: Client) -> None:
    client.post("/logout/")

    assert verbs() == []


@pytest.mark.parametrize("name", NOT_ROUTED)
def test_page_that_nobody_needs_is_not_routed(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.parametrize("path", ["/signup/", "/accounts/", "/password/reset/", "/3rdparty/"])
def test_usual_addresses_of_allauth_are_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/login/oidc/", "/login/oidc/callback/?code=x&state=y"])
def test_addresses_of_a_provider_without_one_are_404(client: Client, path: str) -> None:
    answer = client.get(path) if "callback" in path else client.post(path)

    assert answer.status_code == 404


def test_sign_in_pages_carry_no_inline_script(client: Client) -> None:
    text = client.get("/login/", headers={"Host": "localhost"}).text

    assert "js/passkeys.js" in text
    assert "<script>" not in text
    assert " onclick=" not in text
