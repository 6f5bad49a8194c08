"""`manage.py seed_demo`: fill the demo. Only for `make demo` and `make demo-kyverno`."""

import os
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.clusters import add_cluster, add_sandbox, replace_credential
from policies.actions.connections import sandbox_path
from policies.actions.demo import KYVERNO_STORY, STORY, make_people, tell
from policies.actions.demo_past import tell_past
from policies.domain.authority import Actor, Role
from policies.models import Cluster
from sandbox.company import seed
from sandbox.control import Sandbox
from sandbox.past import Past

PAST = "prod"
"""The cluster that has one: the other was added today."""
PAST = "prod"
"""The cluster that has one: the other was added today."""
SANDBOXES: tuple[Literal["prod", "staging"], ...] = ("prod", "staging")


class Command(BaseCommand):
    help = "Make the demo's people and clusters, and the decisions that were taken before you came."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kyverno", action="store_true", help="on real control planes")
        parser.add_argument(
            "--days", type=int, default=0, help="how long prod has been looked after already"
        )

    def handle(self, *_: object, **options: Any) -> None:
        password = os.environ.get("SECPROF_DEMO_PASSWORD", "")
        if not settings.SECPROF_DEMO or not password:
            raise CommandError("This fills a demo. Run `make demo`, which sets what it needs.")
        people = make_people(password)
        if options["kyverno"]:
            for path in _kubeconfigs():
                _take_in(path, people[Role.ADMIN])
        else:
            for name in SANDBOXES:
                days = options["days"] if name == PAST else 0
                is_new = _make_sandbox(name, people[Role.ADMIN], days)
                if is_new and days:
                    _tell_past(name, people, days, self.stdout.write)
        tell(people, KYVERNO_STORY if options["kyverno"] else STORY, self.stdout.write)


def _kubeconfigs() -> tuple[Path, ...]:
    """Read where the control planes' kubeconfigs are; each lies in a folder named like its cluster."""
    listed = Path(settings.SECPROF_STATE_DIR) / "kubeconfigs"
    if not listed.exists():
        raise CommandError("There are no control planes. Run `make demo-kyverno`.")
    return tuple(Path(line) for line in listed.read_text(encoding="utf-8").splitlines())


def _take_in(path: Path, admin: Actor) -> None:
    name, text, now = path.parent.name, path.read_text(encoding="utf-8"), timezone.now()
    known = Cluster.objects.filter(name=name).first()
    if known is None:
        add_cluster(name=name, kubeconfig=text, context=None, by=admin, now=now)
    else:
        replace_credential(cluster_id=known.pk, kubeconfig=text, context=None, by=admin, now=now)


def _make_sandbox(name: Literal["prod", "staging"], admin: Actor, days: int) -> bool:
    """Make a sandbox that is not there yet, added so many days ago, and say whether its cluster is new."""
    path = sandbox_path(name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        seed(fresh, name, timezone.now() - timedelta(minutes=1))
        fresh.rename(path)
    is_new = not Cluster.objects.filter(name=name).exists()
    if is_new:
        add_sandbox(name=name, by=admin, now=timezone.now() - timedelta(days=days))
    return is_new


def _tell_past(
    name: Literal["prod", "staging"],
    people: dict[Role, Actor],
    days: int,
    say: Callable[[str], None],
) -> None:
    """Collect day by day while the cluster becomes what the seed makes of it."""
    sandbox = Sandbox(sandbox_path(name))
    try:
        tell_past(name, people, days, live=Past(sandbox, name, days=days).live)
    finally:
        sandbox.close()
    say(f"{name}: looked back on {days} days")
