"""The trail: each action leaves its row, and the database lets nobody change or remove one."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from policies.domain.lifecycle import FlipVerb
from policies.models import AuditEvent
from tests.integration.actions.conftest import SandboxWorld

pytestmark = pytest.mark.django_db


def change_by_model(event: AuditEvent) -> None:
    event.outcome = "ok"
    event.save()


def change_by_query(_event: AuditEvent) -> None:
    AuditEvent.objects.update(actor="nobody")


def delete_by_model(event: AuditEvent) -> None:
    event.delete()


def delete_by_query(_event: AuditEvent) -> None:
    AuditEvent.objects.all().delete()


def delete_by_hand(_event: AuditEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM policies_auditevent")


def change_by_hand(_event: AuditEvent) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE policies_auditevent SET verb = 'x'")


CHANGES = [
    change_by_model,
    change_by_query,
    delete_by_model,
    delete_by_query,
    delete_by_hand,
    change_by_hand,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_row_of_the_trail_can_be_neither_changed_nor_removed(
    world: SandboxWorld, change: Callable[[AuditEvent], None]
) -> None:
    before = list(AuditEvent.objects.values())
    event = AuditEvent.objects.latest("id")

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(event)

    assert before
    assert list(AuditEvent.objects.values()) == before


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
def test_trail_cannot_be_truncated(world: SandboxWorld) -> None:
    refused = pytest.raises(DatabaseError, match="append-only")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE policies_auditevent")


def test_trail_of_a_flip_names_everybody_and_every_step(world: SandboxWorld) -> None:
    variant = world.installed("ClusterPolicy")
    world.flip(variant, FlipVerb.ENFORCE, "team-a")

    events = list(AuditEvent.objects.exclude(flip_id="").filter(namespaces=["team-a"]))
    told = [(e.verb, e.actor, e.outcome) for e in events]

    assert told == [
        ("flip.requested", "operator", "ok"),
        ("flip.approved", "approver", "ok"),
        ("rollout.started", "system", "ok"),
        ("rollout.check", "system", "ok"),
        ("rollout.dry-run", "system", "ok"),
        ("rollout.apply", "system", "ok"),
        ("rollout.read-back", "system", "ok"),
        ("rollout.read-back", "system", "ok"),
        ("rollout.prove-refused", "system", "ok"),
        ("rollout.prove-admitted", "system", "ok"),
        ("rollout.prove-neighbour", "system", "ok"),
        ("rollout.proven", "system", "ok"),
    ]
    assert {(e.cluster, e.variant) for e in events} == {("prod", "require-seccomp")}
    assert len({e.plan_digest for e in events}) == 1
    apply = next(e for e in events if e.verb == "rollout.apply")
    assert (apply.message, apply.details["object"]) == ("Created.", "require-seccomp-enforce")
