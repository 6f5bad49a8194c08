"""Thirty days of a small company, run by run, against a ledger that is kept from the raw reports."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db.models import Model
from django.utils import timezone

from policies.actions import collected_kinds, storing
from policies.cluster.gateway import DEPLOYMENTS
from policies.domain.lifecycle import FlipVerb, RolloutStatus
from policies.models import (
    ClosedFinding,
    CollectedDay,
    CollectionRun,
    DailyTally,
    DailyTotal,
    ObservedResult,
    ResultTally,
)
from policies.models.history import COUNTS, MOVES
from tests.integration.actions.conftest import SandboxWorld
from tests.integration.actions.history_ledger import Ledger, Place, picture
from tests.world import BAD, GOOD, deployment

pytestmark = pytest.mark.django_db

DAYS = 30
SEED = 20261129
GAPS = (6, 7, 21)
"""Days on which nobody collects."""
DIES_BEFORE_TALLIES, DIES_BEFORE_DAY, IS_KILLED = 11, 15, 19
TEAM = {"team-a": "a", "team-b": "b", "kyverno": "kyverno", "team-c": "c", "team-d": ""}


class Company:
    """Workloads that come, go, are fixed and break, by a seed."""

    def __init__(self, world: SandboxWorld) -> None:
        self.world = world
        self.random = random.Random(SEED)
        self.workloads: dict[tuple[str, str], bool] = {}
        """Whether each is good."""
        self.namespaces = ["team-a", "team-b"]
        self.number = 0

    def live(self, day: int) -> None:
        if day == 4:
            self.world.sandbox.make_namespace("team-c", labels={"team": "c"})
            self.namespaces.append("team-c")
        if day in (9, DIES_BEFORE_TALLIES):
            name = "team-d" if day == 9 else "late"
            self.world.sandbox.make_namespace(name)
            self.namespaces.append(name)
            self.add(name)
        for _ in range(self.random.randint(0, 5)):
            self.random.choice((self.add, self.add, self.turn, self.turn, self.delete))()

    def add(self, namespace: str = "") -> None:
        self.number += 1
        place = (namespace or self.random.choice(self.namespaces), f"app-{self.number}")
        self._apply(place, is_good=self.random.random() < 0.3)

    def turn(self) -> None:
        if self.workloads:
            place = self.random.choice(sorted(self.workloads))
            self._apply(place, is_good=not self.workloads[place])

    def delete(self) -> None:
        if self.workloads:
            place = self.random.choice(sorted(self.workloads))
            del self.workloads[place]
            self.world.sandbox.delete(DEPLOYMENTS, place[1], namespace=place[0])

    def _apply(self, place: tuple[str, str], *, is_good: bool) -> None:
        self.world.sandbox.apply_manifest(deployment(*place, GOOD if is_good else BAD))
        self.workloads[place] = is_good


class Diary:
    """Moves time, collects, and writes the ledger."""

    def __init__(self, world: SandboxWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.monkeypatch = monkeypatch
        self.ledger = Ledger()

    def at(self, day: date, hour: int) -> None:
        self.world.late = datetime.combine(day, time(hour), tzinfo=UTC) - timezone.now()

    def collect(self) -> None:
        run = self.world.collect()
        assert run.state == CollectionRun.State.COMPLETE, run.error_message
        seen = picture(self.world.cluster)
        self.ledger.note_findings(seen, run.started_at)
        self.ledger.note_read(run.started_at)
        self.ledger.note_day(seen, run.started_at)

    def die_before_tallies(self) -> None:
        """The results are stored, their tallies are not, and the reports are not marked as read."""
        insert, update = storing.insert_rows, storing.update_rows
        run = self._die(
            storing, insert_rows=_before_tallies(insert), update_rows=_before_tallies(update)
        )
        self.ledger.note_findings(picture(self.world.cluster), run.started_at)

    def die_before_day(self) -> CollectionRun:
        """Everything is stored but the day."""
        run = self._die(collected_kinds, note_day=_die)
        self.ledger.note_findings(picture(self.world.cluster), run.started_at)
        self.ledger.note_read(run.started_at)
        return run

    def be_killed_before_day(self) -> None:
        """As a worker that is killed leaves it: the run is under way for ever."""
        run = self.die_before_day()
        CollectionRun.objects.filter(pk=run.pk).update(
            state=CollectionRun.State.RUNNING, finished_at=None, error_reason=""
        )

    def _die(self, where: object, **instead: Callable[..., None]) -> CollectionRun:
        with self.monkeypatch.context() as patched:
            for name, function in instead.items():
                patched.setattr(where, name, function)
            with pytest.raises(SystemExit):
                self.world.collect()
        return CollectionRun.objects.latest("started_at")


def _die(*_args: object, **_options: object) -> None:
    raise SystemExit


def _before_tallies(write: Callable[..., None]) -> Callable[..., None]:
    def dying(model: type[Model], rows: Sequence[storing.Fields]) -> None:
        if model is ResultTally and rows:
            raise SystemExit
        write(model, rows)

    return dying


@pytest.fixture
def ledger(world: SandboxWorld, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of thirty days, which the product has seen too."""
    for target, name in (("ClusterPolicy", "require-seccomp"), ("ValidatingPolicy", "second")):
        variant = world.variant(target, name=name)
        assert world.flip(variant, FlipVerb.INSTALL) is RolloutStatus.PROVEN
    company, diary = Company(world), Diary(world, monkeypatch)
    first = timezone.now().date() + timedelta(days=1)
    mishaps: dict[int, Callable[[], object]] = {
        DIES_BEFORE_TALLIES: diary.die_before_tallies,
        DIES_BEFORE_DAY: diary.die_before_day,
        IS_KILLED: diary.be_killed_before_day,
    }
    CollectedDay.objects.all().delete()
    for number in range(DAYS):
        day = first + timedelta(days=number)
        company.live(number)
        if number in GAPS:
            continue
        diary.at(day, 9)
        mishaps.get(number, diary.collect)()
        if number % 3 == 2 or number in mishaps:
            company.live(number)
            diary.at(day, 21)
            diary.collect()
    return diary.ledger


def test_thirty_days_are_told_as_they_were(ledger: Ledger) -> None:
    assert len(ledger.closed) > 20
    assert _open_findings() == ledger.open
    assert _closed_findings() == sorted(ledger.closed)
    days = CollectedDay.objects.order_by("day").values_list("day", flat=True)
    assert list(days) == sorted(ledger.days)
    for day in days:
        assert _namespaces_at(day) == ledger.days[day], day
        assert _moved_on(day) == _moves(ledger, day), day
        assert _totals_of(day) == _expected_totals(ledger, day), day


def _open_findings() -> dict[tuple[str, ...], datetime]:
    rows = ObservedResult.objects.exclude(outcome="skip")
    return {(r.source, r.policy, r.raw_rule, r.uid): r.first_seen_at for r in rows}


def _closed_findings() -> list[tuple[object, ...]]:
    return sorted(
        ((r.source, r.policy, r.raw_rule, r.uid), r.first_seen_at, r.last_seen_at, r.closed_at)
        for r in ClosedFinding.objects.all()
    )


def _namespaces_at(day: date) -> dict[Place, tuple[int, ...]]:
    """Read the state of a day: of each namespace, the newest row up to it."""
    found = {}
    for row in DailyTally.objects.filter(day__lte=day).order_by("day"):
        figures = tuple(getattr(row, name) for name in COUNTS)
        found[row.source, row.policy, row.namespace] = figures
    return {place: figures for place, figures in found.items() if any(figures)}


def _moved_on(day: date) -> dict[Place, tuple[int, ...]]:
    rows = DailyTally.objects.filter(day=day)
    moved = {
        (r.source, r.policy, r.namespace): tuple(getattr(r, name) for name in MOVES) for r in rows
    }
    return {place: figures for place, figures in moved.items() if any(figures)}


def _moves(ledger: Ledger, day: date) -> dict[Place, tuple[int, ...]]:
    opened, closed = ledger.opened_on[day], ledger.closed_on[day]
    return {place: (opened[place], closed[place]) for place in opened.keys() | closed.keys()}


def _totals_of(day: date) -> dict[tuple[str, str, str], tuple[int, ...]]:
    rows = DailyTotal.objects.filter(day=day)
    found = {
        (r.source, r.policy, r.team): tuple(getattr(r, name) for name in COUNTS + MOVES)
        for r in rows
    }
    return {key: figures for key, figures in found.items() if any(figures)}


def _expected_totals(ledger: Ledger, day: date) -> dict[tuple[str, str, str], tuple[int, ...]]:
    moves = _moves(ledger, day)
    found: dict[tuple[str, str, str], Counter[int]] = defaultdict(Counter)
    for place in ledger.days[day].keys() | moves.keys():
        figures = ledger.days[day].get(place, (0,) * len(COUNTS)) + moves.get(place, (0, 0))
        for team in (TEAM.get(place[2], ""), DailyTotal.EVERY_TEAM):
            found[(*place[:2], team)].update(dict(enumerate(figures)))
    width = len(COUNTS + MOVES)
    return {key: tuple(counts[n] for n in range(width)) for key, counts in found.items()}


def test_days_without_change_have_no_rows_of_their_own(ledger: Ledger) -> None:
    """Writes follow the change: a namespace has a row only where its figures or its findings moved."""
    days = sorted(ledger.days)
    expected = set()
    for before, day in zip([None, *days], days, strict=False):
        old = ledger.days[before] if before else {}
        new, moves = ledger.days[day], _moves(ledger, day)
        for place in old.keys() | new.keys() | moves.keys():
            if old.get(place) != new.get(place) or place in moves:
                expected.add((*place, day))

    rows = DailyTally.objects.values_list("source", "policy", "namespace", "day")

    # A day on which a figure went away and came back may keep the row that its first run wrote.
    assert expected <= set(rows)
    assert len(set(rows) - expected) < len(expected) / 10
