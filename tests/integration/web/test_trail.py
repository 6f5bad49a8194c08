"""The trail: sentences, filters in the address, the raw row on demand, pages."""

import base64
import csv
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from pytest_django import DjangoAssertNumQueries, Settings

from policies.actions import trail
from policies.domain.trail import (
    TrailKey,
    check_signature,
    heads_of_text,
    json_line,
    public_keys,
    read_line,
    verify,
)
from policies.models import AuditEvent
from policies.queries.trail_chain import record_of
from tests import factories
from tests.integration.tampering import execute, no_triggers
from tests.integration.web.conftest import HTMX

pytestmark = pytest.mark.django_db

SEED = base64.b64encode(bytes(range(32))).decode()
ASKED = {
    "cluster": "prod",
    "variant": "require-seccomp",
    "namespaces": ["shop"],
    "flip_id": "3f1c9a52-0000-4000-8000-000000000000",
    "plan_digest": "7f3a" * 16,
    "message": "clean for two weeks",
}


def test_trail_says_a_sentence_and_keeps_the_raw_row(browser: Callable[[str], Client]) -> None:
    factories.event("flip.requested", **ASKED)

    text = browser("auditor").get("/trail/").text

    assert "asked to enforce require-seccomp in shop on prod" in text
    assert "plan 7f3a7f3a" in text
    assert "clean for two weeks" in text
    assert "&quot;verb&quot;: &quot;flip.requested&quot;" in text


def test_trail_verb_that_nobody_foresaw_is_still_readable(
    browser: Callable[[str], Client],
) -> None:
    factories.event("moon.phase_changed", cluster="prod")

    assert "moon phase changed: on prod" in browser("auditor").get("/trail/").text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("?cluster=prod", 2),
        ("?actor=approver", 1),
        ("?verb=cluster.added", 1),
        ("?outcome=failed", 1),
        ("?q=shop", 1),
        ("?q=7f3a", 1),
        ("?q=nothing", 0),
    ],
)
def test_trail_filter_lets_through(
    browser: Callable[[str], Client], query: str, count: int
) -> None:
    factories.event("flip.requested", **ASKED)
    factories.event("cluster.tested", cluster="prod", outcome="failed")
    factories.event("cluster.added", cluster="old", actor="approver")

    response = browser("auditor").get(f"/trail/{query}", headers=HTMX)

    assert response.text.count("<details") == count


def test_trail_long_list_is_paged_and_keeps_the_filter(
    browser: Callable[[str], Client],
) -> None:
    for number in range(60):
        factories.event("cluster.tested", cluster="prod", message=f"number {number}")

    text = browser("auditor").get("/trail/?cluster=prod&page=2").text

    assert "Page 2 of 2" in text
    assert "?cluster=prod&amp;page=1" in text
    assert "number 9" in text


def test_row_has_an_address_that_can_be_sent(browser: Callable[[str], Client]) -> None:
    factories.event("cluster.added", cluster="prod")
    row = factories.event("flip.requested", **ASKED)

    page = browser("viewer").get(f"/trail/{row.pk}/")
    fragment = browser("viewer").get(f"/trail/{row.pk}/", headers=HTMX)

    assert "asked to enforce require-seccomp in shop on prod" in page.text
    assert row.hash in page.text
    assert row.previous_hash in page.text
    assert 'href="/trail/1/"' in page.text
    assert "Row after" not in page.text
    assert "<html" not in fragment.text
    assert row.hash in fragment.text


@pytest.mark.parametrize("place", ["2", "0", "99999999999999999999999"])
def test_row_that_is_not_there_is_a_404(browser: Callable[[str], Client], place: str) -> None:
    factories.event("cluster.added")

    assert browser("auditor").get(f"/trail/{place}/").status_code == 404


def test_row_is_shown_as_it_is_exported_to_those_who_may(
    browser: Callable[[str], Client],
) -> None:
    row = factories.event("flip.requested", **ASKED)
    line = escape(json_line(record_of(row)))

    assert line in browser("auditor").get(f"/trail/{row.pk}/").text
    assert line not in browser("viewer").get(f"/trail/{row.pk}/").text


@pytest.mark.parametrize(
    ("statement", "place", "words"),
    [
        ("UPDATE policies_auditevent SET actor = 'x' WHERE id = 2", 2, "does not fit its hash"),
        ("DELETE FROM policies_auditevent WHERE id = 2", 3, "Row 2 is missing"),
        (
            "UPDATE policies_auditevent SET hash = previous_hash WHERE id = 2",
            3,
            "does not follow row 2",
        ),
    ],
)
def test_row_that_was_tampered_with_says_so(
    browser: Callable[[str], Client], statement: str, place: int, words: str
) -> None:
    for _ in range(3):
        factories.event("cluster.tested")
    client = browser("viewer")
    assert "This row is not what it was" not in client.get(f"/trail/{place}/").text
    with no_triggers():
        execute(statement)

    text = client.get(f"/trail/{place}/").text

    assert "This row is not what it was" in text
    assert words in text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL takes no such value")
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("at", "never", "does not fit its hash"),
        ("at", "2026-99-99 00:00:00", "somebody has changed this row"),
        ("details", "[]", "somebody has changed this row"),
        ("message", b"\xff", "does not fit its hash"),
    ],
)
def test_row_that_cannot_be_read_breaks_no_page(
    browser: Callable[[str], Client], column: str, value: object, words: str
) -> None:
    factories.event("cluster.tested")
    factories.cluster()
    with no_triggers():
        execute(f'UPDATE policies_auditevent SET "{column}" = %s WHERE id = 1', [value])  # noqa: S608
    client = browser("auditor")

    for address in ("/trail/", "/trail/1/", "/"):
        assert client.get(address).status_code == 200
    assert words in client.get("/trail/1/").text


def test_row_of_an_odd_flip_has_no_link(browser: Callable[[str], Client]) -> None:
    row = factories.event("flip.requested", flip_id="no id", exception_id="no id")

    for address in ("/trail/", f"/trail/{row.pk}/"):
        assert browser("viewer").get(address).status_code == 200


def seconds(hour: int) -> datetime:
    return datetime(2026, 3, 1, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("variant=require-seccomp", 1),
        ("variant=require", 0),
        ("namespace=shop", 1),
        ("namespace=sho", 0),
        ("namespace=%22", 0),
        ("since=2026-03-01T11:00", 2),
        ("until=2026-03-01T11:00", 1),
        ("since=2026-03-01T11:00&until=2026-03-01T12:00", 1),
        ("since=2026-03-02", 0),
        ("since=&until=&q=", 3),
        ("page=99", 3),
        ("page=x", 3),
    ],
)
def test_trail_filter_of_variant_namespace_and_time(
    browser: Callable[[str], Client], query: str, count: int
) -> None:
    factories.event("flip.requested", **ASKED, at=seconds(10))
    factories.event("cluster.tested", at=seconds(11), namespaces=("shopping",))
    factories.event("cluster.tested", at=seconds(12))

    response = browser("auditor").get(f"/trail/?{query}", headers=HTMX)

    assert response.text.count("<details") == count


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=yesterday", "From: This is no time"),
        ("outcome=well", "An outcome is ok, refused or failed"),
        ("cluster=" + "x" * 64, "at most 63 characters"),
    ],
)
def test_filter_that_cannot_be_read_shows_nothing_and_says_why(
    browser: Callable[[str], Client], query: str, words: str
) -> None:
    factories.event("cluster.tested")
    client = browser("auditor")

    response = client.get(f"/trail/?{query}")

    assert response.status_code == 200
    assert words in response.text
    assert "<details" not in response.text
    name, _, value = query.partition("=")
    sent = {name: "\0" if value == "%00" else value, "format": "csv"}
    refused = client.post("/trail/export/", sent)
    assert (refused.status_code, words in refused.text) == (409, True)
    assert not AuditEvent.objects.filter(verb="trail.exported").exists()


@pytest.mark.parametrize("role", ["auditor", "admin"])
def test_export_gives_what_the_page_shows_the_first_first(
    browser: Callable[[str], Client], role: str
) -> None:
    factories.event("flip.requested", **ASKED)
    factories.event("cluster.tested", cluster="prod", message="=1+1")
    factories.event("cluster.tested", cluster="old")
    client = browser(role)

    lines = client.post("/trail/export/", {"format": "jsonl", "cluster": "prod"})
    table = client.post("/trail/export/", {"format": "csv", "cluster": "prod"})

    assert lines.headers["Content-Disposition"].startswith('attachment; filename="secprof-trail-')
    assert lines.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    rows = [read_line(line) for line in content(lines).splitlines()]
    assert [row.sequence for row in rows] == [1, 2]
    header, *cells = csv.reader(StringIO(content(table)))
    assert [row[0] for row in cells] == ["1", "2"]
    assert cells[1][header.index("message")] == "'=1+1"
    noted = AuditEvent.objects.filter(verb="trail.exported").order_by("pk")
    assert [(e.actor, e.details["format"], e.details["filter"]) for e in noted] == [
        (role, "jsonl", {"cluster": "prod"}),
        (role, "csv", {"cluster": "prod"}),
    ]


def content(response: object) -> str:
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


def test_export_of_many_rows_comes_in_pieces_and_verifies(
    browser: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.queries.trail_chain.CHUNK", 4)
    for _ in range(11):
        factories.event("cluster.tested")

    response = browser("auditor").post("/trail/export/", {"format": "jsonl"})
    pieces = list(response.streaming_content)  # type: ignore[attr-defined]

    assert len(pieces) == 11
    found = verify(read_line(piece.decode()) for piece in pieces)
    assert (found.is_whole, found.count) == (True, 11)


@pytest.mark.parametrize("role", ["viewer", "owner", "operator", "approver"])
def test_nobody_else_takes_rows_or_heads_outside(
    browser: Callable[[str], Client], role: str
) -> None:
    factories.event("cluster.tested")
    client = browser(role)

    assert client.post("/trail/export/", {"format": "csv"}).status_code == 403
    assert client.post("/trail/head/").status_code == 403
    text = client.get("/trail/").text
    assert "You may not export the audit trail: that takes the role admin or auditor." in text
    assert "Export CSV" not in text
    assert AuditEvent.objects.count() == 1


def test_export_asks_for_sign_in_a_post_and_a_known_format(
    browser: Callable[[str], Client],
) -> None:
    assert Client().post("/trail/export/").headers["Location"].startswith("/login/")
    assert Client().post("/trail/head/").headers["Location"].startswith("/login/")
    assert Client().get("/trail/1/").headers["Location"].startswith("/login/")
    client = browser("auditor")
    assert client.get("/trail/export/").status_code == 405
    assert client.get("/trail/head/").status_code == 405
    assert client.post("/trail/export/", {"format": "xlsx"}).status_code == 409
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.user("auditor"))
    assert strict.post("/trail/export/", {"format": "csv"}).status_code == 403


def test_signed_head_is_downloaded_and_holds(
    browser: Callable[[str], Client], settings: Settings
) -> None:
    settings.SECPROF_TRAIL_KEY = SEED
    factories.event("cluster.tested")

    response = browser("auditor").post("/trail/head/")

    (signed,) = heads_of_text(response.text)
    check_signature(signed, public_keys(TrailKey(SEED).public_pem))
    assert signed.head.hash == AuditEvent.objects.latest("pk").hash
    assert 'filename="secprof-trail-head-' in response.headers["Content-Disposition"]


def test_page_without_key_says_that_heads_are_not_signed(
    browser: Callable[[str], Client], settings: Settings
) -> None:
    settings.SECPROF_TRAIL_KEY = ""
    client = browser("auditor")

    assert "heads are not signed" in client.get("/trail/").text
    assert "heads are not signed" not in browser("viewer").get("/trail/").text
    assert client.post("/trail/head/").status_code == 409


def test_page_says_how_far_the_chain_is_verified(browser: Callable[[str], Client]) -> None:
    factories.event("cluster.tested")
    client = browser("viewer")
    assert "has not verified the trail yet" in client.get("/trail/").text

    trail.verify_if_due(now=timezone.now())
    trail.keep_head_if_due(now=timezone.now())

    text = client.get("/trail/").text
    assert "verified up to row 1, " in text
    assert "head of row 1 kept" in text


def test_broken_trail_is_shown_to_auditors_and_admins_on_home_and_trail(
    browser: Callable[[str], Client],
) -> None:
    factories.cluster()
    for _ in range(3):
        factories.event("cluster.tested")
    with no_triggers():
        execute("DELETE FROM policies_auditevent WHERE id = 2")
    trail.verify_if_due(now=timezone.now())

    for role in ("auditor", "admin"):
        assert "Row 2 is missing" in browser(role).get("/").text
        text = browser(role).get("/trail/").text
        assert "The trail is broken." in text
        assert "Row 2 is missing" in text
    assert "Row 2 is missing" not in browser("viewer").get("/").text


def test_trail_page_costs_the_same_whatever_its_length(
    browser: Callable[[str], Client], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = browser("auditor")
    client.get("/trail/")
    for count in (1, 60):
        for _ in range(count):
            factories.event("cluster.tested")
        with django_assert_num_queries(13):
            client.get("/trail/")
