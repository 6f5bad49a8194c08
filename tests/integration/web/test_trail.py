"""The trail: sentences, filters in the address, the raw row on demand, pages."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests import factories
from tests.integration.web.conftest import HTMX

pytestmark = pytest.mark.django_db

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
