"""End exceptions: when their time has come, revoked, or no longer needed; and announce it ahead.

Expiry is ours to carry out on every version of every engine. What is on the cluster is taken off it and proven; until
then the exception is `ending`, however long that takes.
"""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db import transaction

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Busy, Refused
from policies.actions.exception_planning import plan_exception
from policies.actions.exception_rollouts import begin_if_free, is_at_work, may_be_written
from policies.actions.exception_rows import change, exception_places, find_exception, move
from policies.actions.flips import WEB_PATIENCE_SECONDS, check_gates
from policies.domain.authority import SYSTEM, Act, Actor, require
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, check_exception
from policies.domain.plans import Plan
from policies.models import ExceptionRequest
from policies.queries.exemption_rows import exemption_of

ENDINGS = frozenset({"revoked", "not needed"})
EXPIRED = "expired"
NEVER_WRITTEN = "It was never written to the cluster."
ANNOUNCED_DAYS = (1, 7, 14)
"""How many days ahead an end is announced, the nearest first."""
AT_WORK = "It is being carried out at this moment: end it when that is over, in a minute or so."

Ending = Literal["revoked", "not needed"]


def end(
    *,
    exception_id: UUID,
    ending: Ending,
    reason: str,
    override_reason: str = "",
    by: Actor,
    now: datetime,
) -> ExceptionRequest:
    """End an exception ahead of its time: one person, one reason.

    Where the namespace is enforced the gates are asked as if nobody were exempt; an open one has to be overridden.
    Raises Refused, Busy, WrongState, ClusterError.
    """
    row = find_exception(exception_id)
    at = exception_places(row)
    require(by, Act.END_EXCEPTION, at=at)
    if ending not in ENDINGS:
        raise Refused("Say whether it is revoked or not needed any more.")
    if not reason.strip():
        raise Refused("Say why: the person who asked, and auditors, will read it.")
    check_exception(ExceptionStatus(row.status), ExceptionStatus.ENDING)
    plan = None
    if may_be_written(row):
        with connected(row.variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
            plan = plan_exception(gateway, row, FlipVerb.END_EXEMPTION, now=now).plan
        check_gates(plan, override_reason)
        if plan.open_gates:
            require(by, Act.OVERRIDE_GATES, at=at)
    with transaction.atomic():
        _begin_end(
            row,
            plan,
            f"{ending}: {reason.strip()}",
            override_reason.strip() if plan and plan.open_gates else "",
            by=by,
            now=now,
        )
        audit.record(
            "exception.revoked" if ending == "revoked" else "exception.not_needed",
            by=by,
            now=now,
            exception=row,
            message=reason.strip(),
            details=_told(row, plan),
        )
    return row


def end_expired(*, now: datetime) -> int:
    """Begin the end of every exception whose time has come, and return their number; late is as good as on time."""
    due = ExceptionRequest.objects.filter(
        status__in=[
            ExceptionStatus.APPROVED.value,
            ExceptionStatus.IN_FORCE.value,
            ExceptionStatus.FAILED.value,
        ],
        approved_ends_at__lte=now,
    )
    begun = 0
    for row in due.select_related("variant__cluster").order_by("approved_ends_at"):
        try:
            with transaction.atomic():
                _begin_end(row, None, EXPIRED, "", by=SYSTEM, now=now)
                audit.record(
                    "exception.expired", by=SYSTEM, now=now, exception=row, details=_told(row, None)
                )
        except Busy:
            continue  # Somebody is at it; the next minute sees how that went.
        begun += 1
        if row.status == ExceptionStatus.ENDING:
            dispatch.enqueue(dispatch.CARRY_OUT_EXCEPTION, exception_id=str(row.pk))
    return begun


def _begin_end(
    row: ExceptionRequest,
    plan: Plan | None,
    reason: str,
    override: str,
    *,
    by: Actor,
    now: datetime,
) -> None:
    """Mark the end, and begin its roll-out if there is a plan and the variant is free. Raises Busy."""
    ends_by_word = not may_be_written(row)
    closing = {"closed_at": now, "closing_message": NEVER_WRITTEN, "due_at": None}
    waiting = {"due_at": now, "closing_message": ""}
    move(
        row,
        ExceptionStatus.ENDED if ends_by_word else ExceptionStatus.ENDING,
        ending_at=now,
        ending_by_id=by.user_id,
        ending_reason=reason,
        ending_override=override,
        attempt_count=0,
        **(closing if ends_by_word else waiting),
    )
    # After the change, which holds the row: an attempt that began meanwhile is seen now.
    if is_at_work(row):
        raise Busy(AT_WORK)
    if plan is not None and not ends_by_word:
        begin_if_free(row, plan, now=now)


def _told(row: ExceptionRequest, plan: Plan | None) -> dict[str, object]:
    ends_at = row.approved_ends_at
    return {
        "workloads": row.approved_workloads,
        "ends_at": ends_at.isoformat() if ends_at else "",
        "override_reason": row.ending_override,
        "open_gates": [f"{g.gate}: {g.sentence}" for g in plan.open_gates] if plan else [],
    }


def announce_ends(*, now: datetime) -> int:
    """Announce the ends that are 14, 7 or 1 days away, each once, and return their number.

    After a while without workers only the nearest of these is announced.
    """
    near = ExceptionRequest.objects.filter(
        status=ExceptionStatus.IN_FORCE,
        approved_ends_at__gt=now,
        approved_ends_at__lte=now + timedelta(days=max(ANNOUNCED_DAYS)),
    )
    announced = 0
    for row in near.select_related("variant__cluster", "decided_by").order_by("approved_ends_at"):
        days = _days_to_announce(row, now)
        if days is None:
            continue
        with transaction.atomic():
            if change(row, announced_days=days):
                audit.record(
                    "exception.expiry_announced",
                    by=SYSTEM,
                    now=now,
                    exception=row,
                    details={"days": days, **_told(row, None)},
                )
                announced += 1
    return announced


def _days_to_announce(row: ExceptionRequest, now: datetime) -> int | None:
    """Give the nearest announcement that is due and was not made; one that lies before its beginning is not made."""
    ends_at = exemption_of(row).ends_at
    days = min(days for days in ANNOUNCED_DAYS if ends_at - timedelta(days=days) <= now)
    if row.announced_days is not None and row.announced_days <= days:
        return None
    is_before = row.in_force_at and ends_at - timedelta(days=days) < row.in_force_at
    return None if is_before else days
