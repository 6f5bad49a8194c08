"""Grants in the browser: the list, giving, the preview of a scope, withdrawing, one's own rights, and having none."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from policies.domain.authority import Role
from policies.models import Grant
from tests import factories
from tests.integration.web.conftest import HTMX

pytestmark = pytest.mark.django_db

Browser = Callable[[str], Client]
TYPED = {"holder": "person", "name": "ada", "role": "operator", "part": "everything"}


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def teams() -> None:
    prod, staging = factories.cluster("prod"), factories.cluster("staging")
    factories.namespaces(prod, ["shop", "cart"], labels={"team": "web"})
    factories.namespaces(prod, ["pay"], labels={"team": "payments"})
    factories.namespaces(staging, ["shop"], labels={"team": "web"})


def text(response: object) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_grants_are_for_those_who_may_give_them(browser: Browser) -> None:
    for role in set(Role) - {Role.ADMIN}:
        client = browser(role.value)

        assert client.get("/grants/").status_code == 403
        assert "Grants" not in text(client.get("/"))

    admin = browser("admin")
    assert admin.get("/grants/").status_code == 200
    assert 'href="/grants/"' in admin.get("/").text
    assert Client().get("/grants/").status_code == 302


def test_list_names_people_and_groups_with_their_scopes_in_words(
    browser: Browser, ada: User, teams: None
) -> None:
    group = Group.objects.create(name="team-web")
    ada.groups.add(group)
    Group.objects.create(name="without-a-role")
    Grant.objects.create(
        group=group, role="owner", selector="team=web", granted_at=factories.timezone.now()
    )
    factories.grant(ada, "approver", namespace="shop")

    said = text(browser("admin").get("/grants/"))

    assert "approver on namespace shop on every cluster" in said
    assert "owner on namespaces with team=web on every cluster" in said
    assert re.search(r"team-web +ada", said)
    assert "admin on everything" in said
    assert "without-a-role" not in said.split("Give a role")[0]


def test_list_takes_as_many_queries_for_many_as_for_one(
    browser: Browser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser("admin")
    for number in range(30):
        user = User.objects.create(username=f"user-{number}")
        factories.grant(user, "viewer")
        group = Group.objects.create(name=f"group-{number}")
        user.groups.add(group)
        Grant.objects.create(group=group, role="viewer", granted_at=factories.timezone.now())

    with django_assert_num_queries(12):
        assert "user-29" in client.get("/grants/").text


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, "everything"),
        ({"part": "cluster", "cluster": "prod"}, "prod"),
        ({"part": "namespace", "namespace": "shop"}, "namespace shop on every cluster"),
        (
            {"part": "labels", "selector": "team=web", "cluster": "prod"},
            "namespaces with team=web on prod",
        ),
    ],
)
def test_give_says_who_may_what_where_and_so_it_is(
    browser: Browser, ada: User, teams: None, changes: dict[str, str], where: str
) -> None:
    admin = browser("admin")

    response = admin.post("/grants/give/", {**TYPED, **changes}, follow=True)

    assert f"ada has the role operator on {where}." in text(response)
    client = Client()
    client.force_login(ada)
    assert f"operator on {where}" in text(client.get("/rights/"))
    assert f"gave ada the role operator on {where}" in text(admin.get("/trail/"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "ghost"}, "There is no person ghost"),
        ({"name": "admin"}, "Nobody gives a role to themselves"),
        ({"part": ""}, "Say on what: everything, or a part of it."),
        ({"namespace": "shop"}, "Not part of what was chosen above"),
        ({"selector": "team=web"}, "Not part of what was chosen above"),
        ({"part": "cluster"}, "Choose the cluster."),
        ({"part": "cluster", "cluster": "moon"}, "There is no cluster moon."),
        ({"part": "namespace"}, "Name the namespace."),
        ({"part": "namespace", "namespace": "No"}, "is no name of a namespace"),
        ({"part": "labels"}, "Write the labels, such as team=web."),
        ({"part": "labels", "selector": "a b c"}, "is no condition on a label"),
        ({"role": "owl"}, "owl is not one of the available choices"),
        ({"holder": "owl"}, "owl is not one of the available choices"),
    ],
)
def test_give_what_makes_no_sense_says_so_and_keeps_what_was_typed(
    browser: Browser, ada: User, teams: None, changes: dict[str, str], says: str
) -> None:
    response = browser("admin").post("/grants/give/", {**TYPED, **changes})

    assert response.status_code == 422
    assert says in text(response)
    assert f'value="{changes.get("name", "ada")}"' in response.content.decode()
    assert not ada.grants.exists()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"part": "everything"}, "Everything: 2 clusters now, and whatever is added later."),
        ({"part": "cluster", "cluster": "prod"}, "prod as a whole, with 3 namespaces now."),
        ({"part": "namespace", "namespace": "shop"}, "2 namespaces now. shop on prod"),
        (
            {"part": "labels", "selector": "team=web", "cluster": "prod"},
            "2 namespaces now; one that fits later is reached, too. cart on prod shop on prod",
        ),
        ({"part": "labels", "selector": "team=none"}, "No namespace that was collected fits"),
        ({"part": "labels", "selector": "=="}, "Selector: “==” is no condition"),
        ({"part": "cluster", "cluster": "moon"}, "There is no cluster moon."),
    ],
)
def test_preview_says_what_a_scope_reaches_now(
    browser: Browser, teams: None, query: dict[str, str], says: str
) -> None:
    client = browser("admin")

    fragment = client.get("/grants/preview/", query, headers=HTMX)
    page = client.get("/grants/preview/", query)

    assert fragment.status_code == page.status_code == 200
    assert says in text(fragment)
    assert "<html" not in fragment.text
    assert says in text(page)
    assert "<html" in page.text
    assert not Grant.objects.exclude(user__username="admin").exists()


def test_preview_names_a_few_and_counts_the_rest(browser: Browser) -> None:
    factories.namespaces(factories.cluster(), [f"ns-{n:03}" for n in range(40)], labels={"a": "b"})

    said = text(
        browser("admin").get(
            "/grants/preview/", {"part": "labels", "selector": "a=b"}, headers=HTMX
        )
    )

    assert "40 namespaces now" in said
    assert "ns-011" in said
    assert "ns-012" not in said
    assert "and 28 more" in said


def test_withdraw_takes_effect_with_the_next_request(browser: Browser, ada: User) -> None:
    factories.cluster()
    grant = factories.grant(ada, "viewer")
    client = Client()
    client.force_login(ada)
    assert client.get("/clusters/").status_code == 200

    response = browser("admin").post(f"/grants/{grant.pk}/withdraw/", follow=True)

    assert "Withdrawn. It counts from the next request on." in text(response)
    assert client.get("/clusters/").status_code == 403


def test_withdraw_last_admin_is_refused_in_words(browser: Browser) -> None:
    client = browser("admin")
    mine = Grant.objects.get(user__username="admin")

    response = client.post(f"/grants/{mine.pk}/withdraw/")

    assert response.status_code == 409
    assert "Nobody would be left who is an admin on everything" in text(response)


def test_rights_say_what_one_may_where_and_through_which_group(ada: User, teams: None) -> None:
    group = Group.objects.create(name="team-web")
    ada.groups.add(group)
    Grant.objects.create(
        group=group, role="owner", selector="team=web", granted_at=factories.timezone.now()
    )
    factories.user("admin")
    client = Client()
    client.force_login(ada)

    said = text(client.get("/rights/"))

    assert "owner on namespaces with team=web on every cluster" in said
    assert "through the group team-web" in said
    assert "3 namespaces now" in said
    assert "ask for an exception" in said
    assert "request a flip" not in said
    assert "Roles are given by an admin: admin" in said
    assert "owner, on a part" in said


def test_rights_of_a_superuser_are_those_of_an_admin() -> None:
    root = User.objects.create(username="root", is_superuser=True)
    client = Client()
    client.force_login(root)

    assert "Your account is a superuser: an admin on everything." in text(client.get("/rights/"))
    assert client.get("/grants/").status_code == 200


def test_somebody_without_a_role_is_told_who_can_give_one(ada: User, teams: None) -> None:
    factories.user("admin")
    client = Client()
    client.force_login(ada)

    page = client.get("/readiness/")
    fragment = client.get("/readiness/", headers=HTMX)

    assert page.status_code == fragment.status_code == 403
    assert "Roles are given by an admin: admin" in text(page)
    assert page.text.count("<h1") == 1
    assert 'action="/logout/"' in page.text
    assert "Readiness" not in page.text
    assert "You have no role yet" in fragment.text
    assert "<html" not in fragment.text
    assert client.get("/rights/").status_code == 200
    assert client.get("/no-such-page/").status_code == 404


def test_without_any_admin_the_page_names_the_command(ada: User) -> None:
    client = Client()
    client.force_login(ada)

    assert "manage.py grant NAME admin" in client.get("/").text
