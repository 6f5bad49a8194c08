"""The migration that chains the trail: what was there is chained in its order, and nothing it said is lost on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from policies.domain.trail import verify
from policies.models import AuditEvent, TrailHead
from policies.queries.trail_chain import rows_in_order
from tests.integration.migrations.test_variant_parameters import migrate
from tests.integration.tampering import emptied_trail

BEFORE = ("policies", "0007_grants")
AFTER = ("policies", "0009_trail_is_a_chain")
AT = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
IDS = (3, 4, 9, 2500)
"""With gaps, as rolled-back transactions left them."""


@pytest.fixture
def before(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Apps]:
    """The schema of before, and an empty trail afterwards."""
    with django_db_blocker.unblock():
        try:
            yield migrate(BEFORE)
        finally:
            executor = MigrationExecutor(connection)
            executor.migrate(executor.loader.graph.leaf_nodes("policies"))
            emptied_trail()


def old_rows(apps: Apps) -> list[dict[str, Any]]:
    """Rows as secprof wrote them before, with everything in them that JSON can hold."""
    events = apps.get_model("policies", "AuditEvent").objects
    for number in IDS:
        events.create(
            id=number,
            at=AT,
            actor="operator",
            verb="cluster.tested",
            cluster="prod",
            namespaces=["shop"],
            outcome="ok",
            message=f"Größe {number}",
            details={"seconds": 1.50, "many": 1e20, "deep": [{"x": None}]},
        )
    return list(events.order_by("id").values())


def without_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    placed = {"id", "previous_hash", "hash"}
    return [{name: row[name] for name in row if name not in placed} for row in rows]


def test_rows_of_before_are_chained_in_their_order_and_say_the_same(before: Apps) -> None:
    old = old_rows(before)

    migrate(AFTER)

    rows = list(AuditEvent.objects.order_by("id").values())
    assert [row["id"] for row in rows] == [1, 2, 3, 4]
    assert without_place(rows) == without_place(old)
    found = verify(rows_in_order())
    assert (found.is_whole, found.count) == (True, len(IDS))
    head = TrailHead.objects.get()
    assert (head.sequence, head.hash) == (len(IDS), found.last_hash)


def test_trail_refuses_changes_again_once_it_is_chained(before: Apps) -> None:
    old_rows(before)

    migrate(AFTER)

    for change in ("UPDATE policies_auditevent SET actor = 'x'", "DELETE FROM policies_auditevent"):
        refused = pytest.raises(DatabaseError, match="append-only")
        with refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)


def test_way_back_keeps_the_rows_and_their_protection(before: Apps) -> None:
    old = old_rows(before)
    migrate(AFTER)

    apps = migrate(BEFORE)

    events = apps.get_model("policies", "AuditEvent").objects
    assert without_place(list(events.order_by("id").values())) == without_place(old)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        events.update(actor="x")
    made = events.create(at=AT, actor="x", verb="cluster.tested", outcome="ok")
    assert made.id > len(IDS)


def test_empty_trail_begins_with_nothing_before_it(before: Apps) -> None:
    migrate(AFTER)

    assert TrailHead.objects.get().sequence == 0
    assert verify(rows_in_order()).is_whole
