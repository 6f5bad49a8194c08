"""The demo's past: one cluster in Audit for some weeks, collected once a day. See `demo.py` for what comes after."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone

from policies.actions.demo import STORY, Teller
from policies.domain.authority import Actor, Role
from policies.models import Cluster


def tell_past(
    name: str, people: dict[Role, Actor], days: int, *, live: Callable[[int], None]
) -> None:
    """Install the story's variants on the first of these days, and collect on each; `live` brings the next day.

    The last day is yesterday. The cluster must be new.
    """
    today = timezone.now()
    moved = _MovedClock()
    teller = Teller(people, lambda _: None, clock=moved)
    cluster = Cluster.objects.get(name=name)
    for number in range(days):
        moved.late = timedelta(days=number - days)
        live(number)
        if number == 0:
            for wanted in STORY:
                if wanted.cluster == name:
                    teller.install(wanted)
        teller.collect(cluster)
    # The next collection is due when the story goes on, and not in the past.
    Cluster.objects.filter(pk=cluster.pk).update(collect_due_at=today)


class _MovedClock:
    """A clock that runs in the past."""

    late = timedelta()

    def __call__(self) -> datetime:
        return timezone.now() + self.late
