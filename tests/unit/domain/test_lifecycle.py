"""The states of flips, exceptions and rollouts: every status has its row, and every other way is closed."""

from itertools import product

import pytest

from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    EXCEPTION_TRANSITIONS,
    FLIP_TRANSITIONS,
    OPEN_FLIP_STATUSES,
    ROLLOUT_TRANSITIONS,
    ExceptionStatus,
    FlipStatus,
    RolloutStatus,
    WrongState,
    check_exception,
    check_flip,
    flips_that_may_become,
)

E, F, R = ExceptionStatus, FlipStatus, RolloutStatus

FLIP_WAYS = {
    (F.REQUESTED, F.APPROVED),
    (F.REQUESTED, F.DECLINED),
    (F.REQUESTED, F.WITHDRAWN),
    (F.REQUESTED, F.LAPSED),
    (F.REQUESTED, F.STALE),
    (F.REQUESTED, F.SUPERSEDED),
    (F.APPROVED, F.ROLLING),
    (F.APPROVED, F.STALE),
    (F.APPROVED, F.SUPERSEDED),
    (F.APPROVED, F.FAILED),
    (F.ROLLING, F.PROVEN),
    (F.ROLLING, F.FAILED),
    (F.ROLLING, F.STALE),
    (F.ROLLING, F.SUPERSEDED),
}


EXCEPTION_WAYS = {
    (E.DRAFT, E.REQUESTED),
    (E.DRAFT, E.WITHDRAWN),
    (E.REQUESTED, E.APPROVED),
    (E.REQUESTED, E.DECLINED),
    (E.REQUESTED, E.WITHDRAWN),
    (E.REQUESTED, E.LAPSED),
    (E.APPROVED, E.REQUESTED),
    (E.APPROVED, E.IN_FORCE),
    (E.APPROVED, E.FAILED),
    (E.APPROVED, E.WITHDRAWN),
    (E.APPROVED, E.ENDING),
    (E.APPROVED, E.ENDED),
    (E.IN_FORCE, E.ENDING),
    (E.FAILED, E.APPROVED),
    (E.FAILED, E.ENDING),
    (E.FAILED, E.ENDED),
    (E.ENDING, E.ENDED),
}


def test_every_status_has_its_row_in_the_tables() -> None:
    assert set(FLIP_TRANSITIONS) == set(FlipStatus)
    assert set(EXCEPTION_TRANSITIONS) == set(ExceptionStatus)
    assert set(ROLLOUT_TRANSITIONS) == set(RolloutStatus)


@pytest.mark.parametrize(("current", "wanted"), [*product(FlipStatus, FlipStatus)])
def test_check_flip_allows_the_known_ways_alone(current: FlipStatus, wanted: FlipStatus) -> None:
    if (current, wanted) in FLIP_WAYS:
        check_flip(current, wanted)
    else:
        with pytest.raises(WrongState, match=f"is {current}; it cannot become {wanted}"):
            check_flip(current, wanted)


@pytest.mark.parametrize(("current", "wanted"), [*product(ExceptionStatus, ExceptionStatus)])
def test_check_exception_allows_the_known_ways_alone(
    current: ExceptionStatus, wanted: ExceptionStatus
) -> None:
    if (current, wanted) in EXCEPTION_WAYS:
        check_exception(current, wanted)
    else:
        with pytest.raises(WrongState, match=f"is {current}; it cannot become {wanted}"):
            check_exception(current, wanted)


@pytest.mark.parametrize("wanted", FlipStatus)
def test_flips_that_may_become_names_the_sources(wanted: FlipStatus) -> None:
    assert set(flips_that_may_become(wanted)) == {a for a, b in FLIP_WAYS if b is wanted}


def test_open_and_active_are_the_statuses_that_lead_on() -> None:
    assert {F.REQUESTED, F.APPROVED, F.ROLLING} == OPEN_FLIP_STATUSES
    assert {R.QUEUED, R.RUNNING} == ACTIVE_ROLLOUT_STATUSES


@pytest.mark.parametrize("status", [R.PROVEN, R.FAILED, R.STALE, R.SUPERSEDED])
def test_ended_rollout_leads_nowhere(status: RolloutStatus) -> None:
    assert ROLLOUT_TRANSITIONS[status] == frozenset()
    assert status in ROLLOUT_TRANSITIONS[R.RUNNING]
