"""No status is without its word, shape and tone, and every shape is in the sprite."""

from enum import Enum
from pathlib import Path

import pytest
from django.conf import settings

from policies.domain.findings import Closing
from policies.domain.lifecycle import FlipStatus, RolloutStatus, StepKind, StepStatus
from policies.domain.readiness import GateId, GateOutcome, Verdict
from policies.queries.cells import CellState
from policies.queries.freshness import SnapshotState, StripState
from policies.web.marks import MARKS, Tone, mark_of
from policies.web.presenters.flips import _TITLES
from policies.web.presenters.readiness import _UNKNOWN_WORDS, GATE_TITLES


@pytest.mark.parametrize(
    ("family", "statuses"),
    [
        ("cell", CellState),
        ("cell", Verdict),
        ("gate", GateOutcome),
        ("flip", FlipStatus),
        ("rollout", RolloutStatus),
        ("step", StepStatus),
        ("strip", StripState),
        ("snapshot", SnapshotState),
        ("closing", Closing),
    ],
)
def test_mark_of_every_status_is_foreseen(family: str, statuses: type[Enum]) -> None:
    assert {status.value for status in statuses} <= MARKS[family].keys()


def test_mark_of_a_status_nobody_foresaw_is_unknown() -> None:
    assert mark_of("flip", "odd").tone is Tone.UNKNOWN


def test_mark_of_unknown_never_looks_good() -> None:
    tones = {marks["unknown"].tone for marks in MARKS.values() if "unknown" in marks}
    assert tones == {Tone.UNKNOWN}


def test_shapes_are_all_in_the_sprite() -> None:
    sprite = Path(settings.BASE_DIR, "templates/policies/_sprite.html").read_text()
    shapes = {mark.shape for marks in MARKS.values() for mark in marks.values()}
    assert {shape for shape in shapes if f'id="i-{shape}"' not in sprite} == set()


def test_gates_and_steps_all_have_words() -> None:
    assert GATE_TITLES.keys() == set(GateId) == _UNKNOWN_WORDS.keys()
    assert _TITLES.keys() == set(StepKind)
