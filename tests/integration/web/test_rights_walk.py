"""Every address, as every role on every scope, as somebody without a role, and as nobody: the answer, and what it must not say."""

from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from policies.web import urls
from tests.integration.web.conftest import HTMX
from tests.integration.web.walk_company import HIDDEN, NAMES, Company, company, people, person
from tests.integration.web.walk_rows import ROWS
from tests.integration.web.walk_table import Visit

pytestmark = pytest.mark.django_db

ADDRESSES = {pattern.name for pattern in urls.urlpatterns}

ALIKE = {302: {200, 302}, 303: {200, 303}}
"""What HTMX gets instead of being sent on: the part of the page, or a header that sends the whole page."""


@pytest.fixture
def firm() -> Company:
    return company()


def walk(
    client: Client, name: str, visit: Visit, of: Company, headers: dict[str, str]
) -> HttpResponse:
    """Make one request, and take back whatever it did."""
    address = reverse(f"policies:{name}", args=visit.args(of))
    session = client.cookies.get(settings.SESSION_COOKIE_NAME)
    before = session.value if session else ""
    with transaction.atomic():
        send = client.get if visit.method == "GET" else client.post
        response = send(address, visit.data(of), headers=headers)
        response.told = response.getvalue().decode()  # a stream can be read once
        transaction.set_rollback(True)
    if before:
        client.cookies[settings.SESSION_COOKIE_NAME] = before
    return response


def said(response: HttpResponse) -> str:
    """Give what an answer tells: all of it but the address that was asked for, which the asker knew."""
    words = "".join(f"{key}: {value}\n" for key, value in response.headers.items())
    words += response.told
    asked = response.wsgi_request.get_full_path()
    for echo in (escape(asked), quote(asked), asked):
        words = words.replace(echo, "")
    return words


def test_table_knows_every_address_and_no_other() -> None:
    assert not ADDRESSES - ROWS.keys(), "an address without a row: say who gets which answer there"
    assert not ROWS.keys() - ADDRESSES, "a row without an address: take it out"


@pytest.mark.parametrize(("role", "scope"), people(), ids=lambda part: part or "nobody")
def test_everybody_gets_at_every_address_what_the_table_says(
    firm: Company, role: str, scope: str
) -> None:
    client = Client()
    if scope != "anonymous":
        client.force_login(person(role, scope, firm))
    wrong, leaks, read = [], [], ""

    for name, visits in ROWS.items():
        for number, visit in enumerate(visits):
            response = walk(client, name, visit, firm, {})
            read += said(response)
            if response.status_code != visit.expected(role, scope):
                wrong.append(
                    (name, number, visit.method, response.status_code, visit.expected(role, scope))
                )
            told = sorted(secret for secret in HIDDEN[scope] if secret in said(response))
            if told:
                leaks.append((name, number, visit.method, told))

    assert wrong == []
    assert leaks == []
    assert {name for name in NAMES if name not in read} == HIDDEN[scope]


@pytest.mark.parametrize("scope", list(HIDDEN))
def test_fragments_answer_like_pages_and_say_no_more(firm: Company, scope: str) -> None:
    role = "" if scope in {"none", "anonymous"} else "operator"
    client = Client()
    if scope != "anonymous":
        client.force_login(person(role, scope, firm))
    wrong, leaks = [], []

    for name, visits in ROWS.items():
        for number, visit in enumerate(visits):
            if visit.method != "GET" and scope == "anonymous":
                continue
            response = walk(client, name, visit, firm, HTMX)
            expected = visit.expected(role, scope)
            if response.status_code not in ALIKE.get(expected, {expected}):
                wrong.append((name, number, visit.method, response.status_code, expected))
            told = sorted(secret for secret in HIDDEN[scope] if secret in said(response))
            if told:
                leaks.append((name, number, visit.method, told))

    assert wrong == []
    assert leaks == []
