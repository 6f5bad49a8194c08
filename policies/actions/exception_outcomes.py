"""What becomes of an exception when a roll-out for it has ended: in force, failed, ended, or tried once more.

In the transaction that ends the roll-out: nothing is in force, or ended, that was not proven.
"""

from datetime import datetime, timedelta
from typing import Any

from policies.actions import audit
from policies.domain.authority import SYSTEM
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, RolloutStatus
from policies.domain.plans import Plan
from policies.models import ExceptionRequest, Flip

STALE_ALLOWED = 3
"""Times that the ground may move under an exception that is being put into force, before people have to look."""
LONGEST_PAUSE = timedelta(minutes=15)
"""Between two attempts to end an exception: however long a cluster is away, it is asked again soon after."""


def next_attempt_at(attempt_count: int, now: datetime) -> datetime:
    """Say when to try again after so many attempts that came to nothing: after a minute, two, four, … and so on."""
    return now + min(timedelta(minutes=2 ** min(attempt_count - 1, 10)), LONGEST_PAUSE)


def settle_exception(flip: Flip, ended: RolloutStatus, message: str, *, now: datetime) -> None:
    """Bring the exception behind a flip in line with how its roll-out ended; other flips have none."""
    if flip.exception_id is None:
        return
    row = ExceptionRequest.objects.select_related("variant__cluster").get(pk=flip.exception_id)
    if flip.verb == FlipVerb.EXEMPT.value:
        _settle_exempt(row, flip, ended, message, now=now)
    else:
        _settle_end(row, flip, ended, message, now=now)


def _settle_exempt(
    row: ExceptionRequest, flip: Flip, ended: RolloutStatus, message: str, *, now: datetime
) -> None:
    if ended is RolloutStatus.PROVEN:
        _become(
            row,
            ExceptionStatus.IN_FORCE,
            in_force_at=now,
            announced_days=None,
            due_at=None,
            attempt_count=0,
            closing_message="",
        )
        _tell("exception.in_force", row, flip, "ok", "", now=now)
        return
    if ended is RolloutStatus.SUPERSEDED:
        _become(row, ExceptionStatus.APPROVED, due_at=now)
        return
    attempts = row.attempt_count + 1
    if ended is RolloutStatus.STALE and attempts < STALE_ALLOWED:
        _become(
            row,
            ExceptionStatus.APPROVED,
            due_at=next_attempt_at(attempts, now),
            attempt_count=attempts,
            closing_message=message,
        )
        return
    _become(
        row,
        ExceptionStatus.FAILED,
        due_at=None,
        attempt_count=attempts,
        closing_message=message,
    )
    _tell("exception.failed", row, flip, "failed", message, now=now)


def _settle_end(
    row: ExceptionRequest, flip: Flip, ended: RolloutStatus, message: str, *, now: datetime
) -> None:
    if ended is RolloutStatus.PROVEN:
        _become(
            row,
            ExceptionStatus.ENDED,
            closed_at=now,
            due_at=None,
            attempt_count=0,
            closing_message="",
        )
        _tell("exception.ended", row, flip, "ok", row.ending_reason, now=now)
        return
    if ended is RolloutStatus.SUPERSEDED:
        _become(row, ExceptionStatus.ENDING, due_at=now)
        return
    attempts = row.attempt_count + 1
    _become(
        row,
        ExceptionStatus.ENDING,
        due_at=next_attempt_at(attempts, now),
        attempt_count=attempts,
        closing_message=message,
    )
    _tell("exception.end_unproven", row, flip, "failed", message, now=now)


def _become(row: ExceptionRequest, status: ExceptionStatus, **columns: Any) -> None:
    """Nobody else changes an exception while a flip of its own is open."""
    columns["status"] = status.value
    ExceptionRequest.objects.filter(pk=row.pk).update(**columns)


def _tell(
    verb: str, row: ExceptionRequest, flip: Flip, outcome: str, message: str, *, now: datetime
) -> None:
    audit.record(
        verb,
        by=SYSTEM,
        now=now,
        exception=row,
        outcome=outcome,
        message=message,
        details={
            "flip": str(flip.pk),
            "plan_digest": flip.plan_digest,
            "open_gates": [f"{g.gate}: {g.sentence}" for g in Plan.from_json(flip.plan).open_gates],
        },
    )
