"""What somebody can do to the trail who owns the database: the triggers are dropped, and then anything goes."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.db import connection

from policies.domain.trail import GENESIS

_MIGRATIONS = [
    import_module(f"policies.migrations.{name}")
    for name in ("0002_audit_trail_is_append_only", "0009_trail_is_a_chain")
]


def execute(statement: str, values: Any = ()) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@contextmanager
def no_triggers() -> Iterator[None]:
    """Take every trigger of the trail away, and put them back."""
    editor: Any = SimpleNamespace(connection=connection, execute=execute)
    for migration in reversed(_MIGRATIONS):
        migration.drop_triggers(None, editor)
    try:
        yield
    finally:
        for migration in _MIGRATIONS:
            migration.add_triggers(None, editor)


def emptied_trail() -> None:
    """Begin anew, after a test whose rows were committed."""
    with no_triggers():
        execute("DELETE FROM policies_auditevent")
        execute("UPDATE policies_trailhead SET sequence = 0, hash = %s", [GENESIS])
