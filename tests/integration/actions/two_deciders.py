"""Two people decide on one exception in the same moment, each with a connection of their own.

As a program it does so on a database file of its own: threads share SQLite's tests in memory too closely to be two people.
"""

import sys
import threading
from pathlib import Path
from typing import Any

ROUNDS = 3


def decide_at_once(row: Any, people: Any, now: Any) -> list[str]:
    """Let one approve and another decline at once; give what became of both, sorted."""
    from django.db import connection

    from policies.actions import exceptions
    from policies.actions.errors import Busy
    from policies.domain.lifecycle import WrongState

    barrier = threading.Barrier(2)
    outcomes = []

    def decide(act: Any, by: Any) -> None:
        barrier.wait()
        try:
            act(exception_id=row.pk, revision=row.revision, comment="so be it", by=by, now=now())
        except (Busy, WrongState) as told:
            outcomes.append(f"told: {told}")
        else:
            outcomes.append("won")
        finally:
            connection.close()

    deciders = [
        threading.Thread(target=decide, args=(exceptions.approve, people.approver)),
        threading.Thread(target=decide, args=(exceptions.decline, people.admin)),
    ]
    for each in deciders:
        each.start()
    for each in deciders:
        each.join(60)
    return sorted(outcomes)


def check(row: Any, outcomes: list[str]) -> None:
    """One has won, the other was told, and the rows tell of one decision."""
    from policies.models import AuditEvent

    assert [each.partition(":")[0] for each in outcomes] == ["told", "won"], outcomes
    row.refresh_from_db()
    verb = "exception.declined" if row.status == "declined" else "exception.approved"
    decisions = AuditEvent.objects.filter(
        exception_id=str(row.pk), verb__in=["exception.approved", "exception.declined"]
    )
    assert [each.verb for each in decisions] == [verb]
    assert row.flips.count() == (0 if row.status == "declined" else 1)
    by = "admin" if row.status == "declined" else "approver"
    assert row.decided_by.get_username() == by == decisions[0].actor


def main(folder: Path) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model
    from django.test import override_settings
    from django.utils import timezone

    from policies.actions import clusters
    from sandbox.control import Sandbox
    from tests.integration.actions.conftest import SandboxWorld
    from tests.integration.actions.excepting import FTP, asked, heed
    from tests.world import People, kyverno

    (folder / "sandbox").mkdir()
    sandbox = Sandbox(folder / "sandbox" / "prod.sqlite3")
    for namespace in ("kyverno", "team-a", "team-b"):
        sandbox.make_namespace(namespace)
    sandbox.apply_manifest(kyverno())
    with override_settings(SECPROF_STATE_DIR=folder):
        people = People(get_user_model())
        cluster = clusters.add_sandbox(name="prod", by=people.admin, now=timezone.now())
        world = SandboxWorld(people, sandbox, cluster)
        heed(world)
        world.collect()
        variant = world.installed("ClusterPolicy")
        for _ in range(ROUNDS):
            row = asked(world, variant, FTP)
            check(row, decide_at_once(row, people, world.now))
    sandbox.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
