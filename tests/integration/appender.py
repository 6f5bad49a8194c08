"""One of many processes that append to the trail at once: `python -m tests.integration.appender NAME COUNT`.

Each transaction changes a row that all of them want, then records, as actions do. Some record twice, some roll back.
"""

import sys

import django

django.setup()

from django.db import transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.utils import timezone  # noqa: E402

from policies.actions import audit  # noqa: E402
from policies.domain.authority import Actor  # noqa: E402
from policies.models import Cluster  # noqa: E402


class Undone(Exception):
    """Rolls a transaction back after it has recorded."""


def decide(by: Actor, number: int) -> None:
    with transaction.atomic():
        Cluster.objects.filter(name="prod").update(server=F("server"))
        for part in range(1 + number % 3 // 2):
            message = f"{number}.{part}"
            audit.record("cluster.tested", by=by, now=timezone.now(), message=message)
        if number % 5 == 4:
            raise Undone


def main(name: str, count: int) -> None:
    by = Actor(name, 1)
    for number in range(count):
        try:
            decide(by, number)
        except Undone:
            continue


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
