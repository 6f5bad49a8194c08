"""Sign-in by a real OpenID Connect provider: the code flow, groups that follow it, names, and its second factor."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.test import Client

from policies.domain.lifecycle import FlipStatus
from policies.models import Grant
from tests import factories
from tests.integration.oidc.conftest import Configure, Walker
from tests.oidc.running import Provider
from tests.signing import code, give_app, newest, verbs

REASON = "takes your second factor"


def groups(name: str) -> set[str]:
    return set(User.objects.get(username=name).groups.values_list("name", flat=True))


def test_first_sign_in_makes_a_user_without_password_or_address(
    walker: Walker, provider: Provider
) -> None:
    provider.tell(alice={"email": "alice@example.com", "email_verified": True, "name": "Alice A."})

    response = walker.sign_in(next="/trail/")

    assert response.headers["Location"] == "/trail/"
    user = User.objects.get(username="alice")
    assert not user.has_usable_password()
    assert user.email == ""
    assert "alice@example.com" not in str(SocialAccount.objects.values())
    assert walker.is_in
    assert newest("sign_in.done").details["value"] == "by provider"
    assert provider.door.asked.count("/o/token/") == 1


def test_second_sign_in_is_the_same_user(walker: Walker) -> None:
    walker.sign_in()

    again = Walker()
    again.sign_in()

    assert User.objects.filter(username="alice").count() == 1
    assert again.is_in
    assert walker.is_in


def test_address_of_the_provider_carries_pkce_state_and_nonce(walker: Walker) -> None:
    query = parse_qs(urlsplit(walker.address()).query)

    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert len(query["state"][0]) >= 16
    assert len(query["nonce"][0]) == 32
    assert query["response_type"] == ["code"]
    assert set(query["scope"][0].split()) == {"openid", "profile"}


def test_address_takes_nothing_from_who_asks(walker: Walker) -> None:
    asked = walker.client.post(
        "/login/oidc/?scope=evil&auth_params=prompt%3Dnone&process=connect",
        {"next": "https://evil.example/", "process": "connect", "scope": "evil"},
    )

    assert "evil" not in asked.text
    assert "prompt" not in asked.text


def test_secret_never_leaves_for_the_browser(walker: Walker) -> None:
    page = walker.leave()

    assert "odd" not in page.text
    assert "no-store" in page.headers["Cache-Control"]


def test_groups_follow_the_provider_at_every_sign_in(walker: Walker, provider: Provider) -> None:
    provider.tell(alice={"groups": ["sec-approvers", "secprof-web", "staff"]})
    walker.sign_in()
    assert groups("alice") == {"approvers", "secprof-web"}
    User.objects.get(username="alice").groups.add(Group.objects.create(name="local"))

    provider.tell(alice={"groups": ["auditors"]})
    Walker().sign_in()

    assert groups("alice") == {"auditors", "local"}
    assert (
        newest("sign_in.groups_changed").details["value"] == "+auditors, -approvers, -secprof-web"
    )


def test_rights_come_from_the_grants_of_the_groups(walker: Walker, provider: Provider) -> None:
    group = Group.objects.create(name="approvers")
    Grant.objects.create(group=group, role="approver", granted_at=factories.timezone.now())
    provider.tell(alice={"groups": ["sec-approvers"]})
    walker.sign_in()
    assert ">approver<" in walker.client.get("/").text.replace(" ", "").replace("\n", "")

    provider.tell(alice={"groups": []})
    Walker().sign_in()

    assert "no role" in walker.client.get("/").text


@pytest.mark.parametrize("claimed", [{}, {"groups": "admin"}, {"groups": 7}, {"groups": [["x"]]}])
def test_groups_that_nobody_mapped_give_nothing(
    walker: Walker, provider: Provider, claimed: dict[str, Any]
) -> None:
    Group.objects.create(name="admin")
    provider.tell(alice=claimed)

    walker.sign_in()

    assert groups("alice") == set()


def test_groups_may_lie_deeper(walker: Walker, provider: Provider, configure: Configure) -> None:
    configure(groups_claim="realm_access.roles")
    provider.tell(alice={"realm_access": {"roles": ["auditors"]}})

    walker.sign_in()

    assert groups("alice") == {"auditors"}


def test_required_group_lets_in_who_has_it(
    walker: Walker, provider: Provider, configure: Configure
) -> None:
    configure(required_group="staff")
    provider.tell(alice={"groups": ["staff"]})

    walker.sign_in()

    assert walker.is_in


def test_required_group_turns_others_away_in_words(walker: Walker, configure: Configure) -> None:
    configure(required_group="staff")

    response = walker.sign_in()

    assert response.status_code == 403
    assert "does not count you to the group staff" in response.text
    assert not walker.is_in
    assert not User.objects.filter(username="alice").exists()
    assert newest("sign_in.failed").message == "not in the required group"


def test_required_group_lost_ends_sessions_and_takes_groups_away(
    walker: Walker, provider: Provider, configure: Configure
) -> None:
    configure(required_group="staff")
    provider.tell(alice={"groups": ["staff", "auditors"]})
    walker.sign_in()

    provider.tell(alice={"groups": ["auditors"]})
    Walker().sign_in()

    assert not walker.is_in
    assert groups("alice") == set()


@pytest.mark.parametrize("name", ["operator", "Operator", "OPERATOR"])
def test_local_account_of_the_same_name_is_not_taken_over(
    walker: Walker, provider: Provider, name: str
) -> None:
    local = factories.user("operator")
    local.email = "operator@example.com"
    local.save(update_fields=["email"])
    claims = {"email": "operator@example.com", "email_verified": True, "preferred_username": name}
    provider.tell(operator=claims)

    response = walker.sign_in("operator")

    assert response.status_code == 403
    assert f"The name {name} belongs to another account here" in response.text
    assert not walker.is_in
    assert not SocialAccount.objects.exists()
    assert User.objects.filter(username__iexact="operator").count() == 1


def test_local_account_with_the_same_address_is_not_taken_over(
    walker: Walker, provider: Provider
) -> None:
    local = factories.user("viewer")
    local.email = "alice@example.com"
    local.save(update_fields=["email"])
    provider.tell(alice={"email": "alice@example.com", "email_verified": True})

    walker.sign_in()

    assert User.objects.get(username="alice").pk != local.pk


def test_signed_in_person_who_goes_to_the_provider_becomes_that_person(walker: Walker) -> None:
    walker.client.force_login(factories.user("viewer"))

    walker.sign_in()

    assert not SocialAccount.objects.filter(user__username="viewer").exists()
    assert "alice" in walker.client.get("/account/").text


@pytest.mark.parametrize("name", ["system", "Anonymous", "a b", "x" * 200, "", None, 7])
def test_name_that_cannot_be_used_is_refused_in_words(
    walker: Walker, provider: Provider, name: object
) -> None:
    provider.tell(alice={"preferred_username": name})

    response = walker.sign_in()

    assert response.status_code == 403
    assert "gives no name for you that can be used here" in response.text
    assert not User.objects.exists()


def test_name_may_come_from_another_claim(
    walker: Walker, provider: Provider, configure: Configure
) -> None:
    configure(name_claim="email")
    provider.tell(alice={"email": "alice@example.com"})

    walker.sign_in()

    assert User.objects.get().username == "alice@example.com"


def test_account_switched_off_stays_out(walker: Walker) -> None:
    walker.sign_in()
    User.objects.filter(username="alice").update(is_active=False)

    response = Walker().sign_in()

    assert response.status_code == 403
    assert "switched off" in response.text


def decider(walker: Walker) -> str:
    """Make alice an approver, and give the page of a flip that waits for one."""
    factories.grant(User.objects.get(username="alice"), "approver")
    flip = factories.flip(factories.variant(factories.cluster()), FlipStatus.REQUESTED, "shop")
    return f"/flips/{flip.pk}/"


def test_factor_of_the_provider_counts(walker: Walker, provider: Provider, settings: Any) -> None:
    settings.SECPROF_SECOND_FACTOR_FOR = ("approve",)
    provider.tell(alice={"amr": ["pwd", "mfa"]})
    walker.sign_in()

    assert REASON not in walker.client.get(decider(walker)).text


@pytest.mark.parametrize(
    "claims", [{}, {"amr": ["pwd"]}, {"amr": ["mfa"], "auth_time": 1_600_000_000}]
)
def test_factor_that_the_provider_did_not_ask_for_lately_is_asked_here(
    walker: Walker, provider: Provider, settings: Any, claims: dict[str, Any]
) -> None:
    settings.SECPROF_SECOND_FACTOR_FOR = ("approve",)
    provider.tell(alice=claims)
    walker.sign_in()
    page = decider(walker)

    assert REASON in walker.client.get(page).text
    asked = walker.client.get(f"/account/step-up/?next={page}")
    assert "Confirm with Example ID" in asked.text
    provider.tell(alice={"amr": ["mfa"]})
    assert walker.sign_in(fresh="1", next=page).headers["Location"] == page
    assert REASON not in walker.client.get(page).text


def test_factor_asked_again_makes_the_provider_ask_again(
    walker: Walker, configure: Configure
) -> None:
    configure(factor_acr=("gold",))

    query = parse_qs(urlsplit(walker.address(fresh="1")).query)

    assert (query["prompt"], query["max_age"], query["acr_values"]) == (["login"], ["0"], ["gold"])


def test_factor_of_our_own_is_asked_unless_the_provider_asked(
    walker: Walker, provider: Provider
) -> None:
    walker.sign_in()
    give_app(User.objects.get(username="alice"))
    provider.tell(alice={"groups": ["auditors"]})

    again = Walker()
    assert again.sign_in().headers["Location"] == "/login/second-factor/"
    assert not again.is_in
    again.client.post("/login/second-factor/", {"code": code()})
    assert again.is_in
    assert groups("alice") == {"auditors"}

    provider.tell(alice={"amr": ["mfa"]})
    third = Walker()
    assert third.sign_in().headers["Location"] == "/"


def test_factor_is_set_up_only_soon_after_signing_in(walker: Walker, settings: Any) -> None:
    walker.sign_in()
    assert walker.client.get("/account/app/add/").status_code == 200

    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    response = walker.client.get("/account/app/add/")

    assert response.headers["Location"] == "/account/step-up/?next=%2Faccount%2Fapp%2Fadd%2F"


def test_who_has_no_password_is_offered_none(walker: Walker) -> None:
    walker.sign_in()

    text = walker.client.get("/account/").text

    assert "Example ID" in text
    assert "Password" not in text
    answer = walker.client.get("/account/password/", follow=True)
    assert answer.redirect_chain[-1][0] == "/account/"


def test_sign_in_page_offers_the_provider_and_the_password(walker: Walker, client: Client) -> None:
    text = client.get("/login/?next=/trail/").text

    assert "Continue with Example ID" in text
    assert text.count('name="next" value="/trail/"') == 2
    assert "Password" in text


def test_signed_in_by_the_provider_leaves_rows(walker: Walker, provider: Provider) -> None:
    provider.tell(alice={"groups": ["auditors"]})
    walker.sign_in()
    walker.client.post("/logout/")

    assert verbs() == ["sign_in.groups_changed", "sign_in.done", "sign_in.out"]
