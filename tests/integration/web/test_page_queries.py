"""No page asks the database more often because there is more of everything: every address of the table, on two fleets."""

from collections.abc import Mapping

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.fleet import build
from tests.integration.web.walk_company import Company
from tests.integration.web.walk_rows import ROWS

pytestmark = pytest.mark.django_db

Counts = dict[tuple[str, int], int]
"""Queries, by the name of a page and the place of the visit in its row."""


def counted(firm: Company) -> Counts:
    client = Client()
    client.force_login(User.objects.get(username="admin"))
    found = {}
    for name, visits in ROWS.items():
        for place, visit in enumerate(visits):
            # Another answer is that of a cluster which cannot be reached, or of a page that is not there.
            if visit.method == "GET" and visit.expected("admin", "everywhere") == 200:
                address = reverse(f"policies:{name}", args=visit.args(firm))
                found[name, place] = min(queries(client, address, visit.data(firm)) for _ in "ab")
    return found


def queries(client: Client, address: str, fields: Mapping[str, object]) -> int:
    """Count the queries of one request. Once in a while one more is needed, to note that the session is in use."""
    with CaptureQueriesContext(connection) as captured:
        client.get(address, fields)
    return len(captured)


def counted_on(*, results: int, clusters: int, namespaces: int) -> Counts:
    with transaction.atomic():
        found = counted(build(results, clusters=clusters, namespaces=namespaces))
        transaction.set_rollback(True)
    return found


def test_pages_ask_as_often_on_a_large_fleet_as_on_a_small_one() -> None:
    small = counted_on(results=3_000, clusters=3, namespaces=40)
    large = counted_on(results=12_000, clusters=9, namespaces=160)

    more = {page: (count, large[page]) for page, count in small.items() if large[page] != count}
    assert more == {}
