"""Somebody owns the database: with the triggers nothing can be changed, and without them everything is found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from policies.actions import audit
from policies.actions.audit import TrailClosed
from policies.actions.trail import verify_here
from policies.domain.authority import Actor
from policies.domain.trail import Fault, KnownHead, TrailRecord, sealed
from policies.models import AuditEvent, TrailHead
from policies.queries.trail_chain import record_of, row_of
from tests import factories
from tests.integration.tampering import execute, no_triggers

pytestmark = pytest.mark.django_db

COUNT = 9


@pytest.fixture(autouse=True)
def trail() -> None:
    for number in range(1, COUNT + 1):
        factories.event("cluster.tested", message=f"number {number}", namespaces=("shop",))


def record(place: int) -> TrailRecord:
    return record_of(AuditEvent.objects.get(pk=place))


def put(made: TrailRecord) -> None:
    """Store a row whatever is there."""
    execute("DELETE FROM policies_auditevent WHERE id = %s", [made.sequence])
    row_of(made).save(force_insert=True)


def move(place: int, to: int) -> None:
    execute("UPDATE policies_auditevent SET id = %s WHERE id = %s", [to, place])


def edit() -> None:
    execute("UPDATE policies_auditevent SET message = 'never' WHERE id = 5")


def edit_details() -> None:
    execute("UPDATE policies_auditevent SET details = '{\"count\": 1}' WHERE id = 5")


def edit_with_hash() -> None:
    put(sealed(replace(record(5), actor="nobody")))


def delete() -> None:
    execute("DELETE FROM policies_auditevent WHERE id = 5")


def delete_the_first() -> None:
    execute("DELETE FROM policies_auditevent WHERE id = 1")


def delete_and_close_the_gap() -> None:
    delete()
    for place in range(6, COUNT + 1):
        move(place, place - 1)


def insert() -> None:
    for place in range(COUNT, 4, -1):
        move(place, place + 1)
    put(sealed(replace(record(4), sequence=5, previous_hash=record(4).hash, actor="nobody")))


def insert_at_the_end() -> None:
    put(replace(record(COUNT), sequence=COUNT + 1, previous_hash=record(COUNT).hash))


def reorder() -> None:
    for place, to in ((5, 99), (7, 5), (99, 7)):
        move(place, to)


def truncate_the_end() -> None:
    execute("DELETE FROM policies_auditevent WHERE id > 6")


def truncate() -> None:
    if connection.vendor == "postgresql":
        execute("TRUNCATE policies_auditevent")
    else:
        execute("DELETE FROM policies_auditevent")


def renumber_one() -> None:
    move(5, 500)


def lose_the_head() -> None:
    execute("DELETE FROM policies_trailhead")


ATTACKS: list[tuple[Callable[[], None], int, Fault]] = [
    (edit, 5, Fault.EDITED),
    (edit_details, 5, Fault.EDITED),
    (edit_with_hash, 5, Fault.REWRITTEN),
    (delete, 5, Fault.DELETED),
    (delete_the_first, 1, Fault.DELETED),
    (delete_and_close_the_gap, 5, Fault.REORDERED),
    (insert, 5, Fault.INSERTED),
    (insert_at_the_end, COUNT + 1, Fault.EDITED),
    (reorder, 5, Fault.REORDERED),
    (truncate_the_end, 7, Fault.TRUNCATED),
    (truncate, 1, Fault.TRUNCATED),
    (renumber_one, 5, Fault.DELETED),
    (lose_the_head, 1, Fault.TRUNCATED),
]
IDS = [attack.__name__ for attack, *_ in ATTACKS]


@pytest.mark.parametrize(("attack", "place", "fault"), ATTACKS, ids=IDS)
def test_attack_without_triggers_is_found_and_the_first_broken_row_named(
    attack: Callable[[], None], place: int, fault: Fault
) -> None:
    assert verify_here().is_whole

    with no_triggers():
        attack()
    found = verify_here()

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (place, fault)


@pytest.mark.parametrize(
    "attack",
    # Whether a hash is right the database does not know: that is found, not refused.
    [attack for attack, *_ in ATTACKS if attack is not insert_at_the_end],
    ids=lambda attack: attack.__name__,
)
def test_attack_with_triggers_is_refused(attack: Callable[[], None]) -> None:
    if attack is truncate and connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    before = list(AuditEvent.objects.order_by("pk").values())

    with (
        pytest.raises(DatabaseError, match="append-only|does not continue the audit trail"),
        transaction.atomic(),
    ):
        attack()

    assert list(AuditEvent.objects.order_by("pk").values()) == before
    assert verify_here().is_whole


LOOSE: list[dict[str, Any]] = [
    {"sequence": COUNT + 2},
    {"sequence": COUNT},
    {"sequence": 0},
    {"previous_hash": "0" * 64},
    {"hash": ""},
]


@pytest.mark.parametrize("changes", LOOSE, ids=str)
def test_database_refuses_a_row_that_does_not_continue_the_chain(changes: dict[str, Any]) -> None:
    last = record(COUNT)
    following = sealed(replace(last, sequence=COUNT + 1, previous_hash=last.hash))

    with (
        pytest.raises(DatabaseError, match="does not continue|append-only"),
        transaction.atomic(),
    ):
        row_of(replace(following, **changes)).save(force_insert=True)

    row_of(following).save(force_insert=True)
    assert verify_here().count == COUNT + 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policies_trailhead SET sequence = 4",
        "UPDATE policies_trailhead SET sequence = sequence + 1",
        "UPDATE policies_trailhead SET id = 2",
        "DELETE FROM policies_trailhead",
        "INSERT INTO policies_trailhead (id, sequence, hash) VALUES (1, 0, '')",
        "INSERT INTO policies_trailhead (id, sequence, hash) VALUES (2, 0, '')",
    ],
)
def test_head_is_moved_by_new_rows_alone(statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        execute(statement)

    assert TrailHead.objects.get().sequence == COUNT


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a statement of SQLite's")
def test_row_cannot_be_replaced_by_inserting_over_it() -> None:
    with (
        pytest.raises(DatabaseError, match="does not continue|append-only"),
        transaction.atomic(),
    ):
        execute(
            "INSERT OR REPLACE INTO policies_auditevent SELECT * FROM policies_auditevent WHERE id = 5"
        )


def rewrite_from(place: int) -> None:
    """Make every row from here on anew, and the head: what only a head kept outside can tell."""
    previous = record(place - 1).hash
    for number in range(place, COUNT + 1):
        made = sealed(replace(record(number), actor="nobody", previous_hash=previous))
        put(made)
        previous = made.hash
    execute("UPDATE policies_trailhead SET hash = %s", [previous])


def test_chain_made_anew_to_its_end_is_found_by_a_head_kept_outside() -> None:
    outside = KnownHead(7, record(7).hash, "the head of yesterday")
    with no_triggers():
        rewrite_from(5)

    assert verify_here().is_whole
    found = verify_here([outside])

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (7, Fault.REWRITTEN)
    assert "the head of yesterday names another hash" in found.broken.sentence


def test_truncation_with_its_head_is_found_by_a_head_kept_outside() -> None:
    outside = KnownHead(8, record(8).hash, "the head of yesterday")
    with no_triggers():
        execute("DELETE FROM policies_auditevent WHERE id > 6")
        execute("UPDATE policies_trailhead SET sequence = 6, hash = %s", [record(6).hash])

    assert verify_here().is_whole
    found = verify_here([outside])

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (7, Fault.TRUNCATED)


def test_rows_that_were_cut_off_stay_missing_for_good() -> None:
    with no_triggers():
        truncate_the_end()

    audit.record("cluster.tested", by=Actor("operator", 1), now=timezone.now())

    found = verify_here()
    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (7, Fault.DELETED)


def test_trail_without_its_head_takes_no_row_and_nothing_is_done() -> None:
    with no_triggers():
        lose_the_head()

    with pytest.raises(TrailClosed, match="lost its head"):
        audit.record("cluster.tested", by=Actor("operator", 1), now=timezone.now())


def test_trail_whose_head_was_moved_takes_no_row() -> None:
    with no_triggers():
        execute("UPDATE policies_trailhead SET sequence = 4")

    with pytest.raises(TrailClosed, match="takes no row"), transaction.atomic():
        audit.record("cluster.tested", by=Actor("operator", 1), now=timezone.now())


def test_transaction_that_is_rolled_back_leaves_no_gap() -> None:
    with transaction.atomic():
        audit.record("cluster.tested", by=Actor("operator", 1), now=timezone.now())
        transaction.set_rollback(True)
    assert AuditEvent.objects.count() == COUNT

    made = audit.record("cluster.tested", by=Actor("operator", 1), now=timezone.now())

    assert made.pk == COUNT + 1
    assert verify_here().is_whole


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL takes no such value")
@pytest.mark.parametrize(
    "change",
    [
        ("at", "never"),
        ("at", "2026-99-99 00:00:00"),
        ("details", "[]"),
        ("namespaces", "{}"),
        ("message", b"\xff\x00"),
        ("actor", b"\xff\x00"),
    ],
    ids=str,
)
def test_row_that_cannot_even_be_read_is_named(change: tuple[str, Any]) -> None:
    column, value = change
    with no_triggers():
        execute(f'UPDATE policies_auditevent SET "{column}" = %s WHERE id = 5', [value])  # noqa: S608

    found = verify_here()

    assert found.broken is not None
    assert (found.broken.sequence, found.broken.fault) == (5, Fault.EDITED)


def test_odd_details_are_kept_as_they_verify() -> None:
    made = audit.record(
        "cluster.tested",
        by=Actor("Größe\0", 1),
        now=timezone.now(),
        message="a\0b \ud800 😀",
        details={"seconds": 0.1 + 0.2, "many": 1e300, "list": (1, None), 5: "five", "big": 10**30},
    )

    assert verify_here().is_whole
    made.refresh_from_db()
    assert made.details["seconds"] == "0.30000000000000004"
    assert made.message == "a\ufffdb ? 😀"
