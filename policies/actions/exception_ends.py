"""End exceptions: when their time has come, or before it. No exception outlives its end, on any version of Kyverno."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Busy, Refused
from policies.actions.exception_rollouts import WEB_PATIENCE_SECONDS, has_open_flip
from policies.actions.exemption_plans import make_exemption_plan
from policies.domain.authority import SYSTEM, Act, Actor, Place, require
from policies.domain.lifecycle import ExceptionStatus, FlipVerb, check_exception
from policies.domain.plans import Plan
from policies.models import ExceptionRequest
from policies.queries.places import places_of

ANNOUNCED_DAYS = (14, 7, 1)
"""How many days ahead people are told, each once."""


class Ending(StrEnum):
    """Why an exception ends before its time."""

    REVOKED = "revoked"
    NOT_NEEDED = "not needed"


def preview_end(*, exception_id: UUID, by: Actor, now: datetime) -> Plan:
    """Plan the end of an exception, with what the gates say to it; writes nothing. Raises Refused, ClusterError."""
    row = _find(exception_id)
    require(by, Act.END_EXCEPTION, at=_places(row))
    with connected(row.variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        return make_exemption_plan(gateway, row, FlipVerb.END_EXEMPTION, now=now)


def end(
    *,
    exception_id: UUID,
    ending: str,
    reason: str,
    override_reason: str = "",
    by: Actor,
    now: datetime,
) -> ExceptionRequest:
    """End an exception at once: `ending` is one of `Ending`.

    Where its namespace is enforced the gates are asked first; those that are open need a reason to override them.
    Raises Refused with the gates, NotAllowed, WrongState, Busy, ClusterError.
    """
    row = _find(exception_id)
    require(by, Act.END_EXCEPTION, at=_places(row))
    check_exception(ExceptionStatus(row.status), ExceptionStatus.ENDING)
    if not reason.strip():
        raise Refused("Say why: everybody will read it in the trail.")
    plan = preview_end(exception_id=exception_id, by=by, now=now)
    if plan.open_gates and not override_reason.strip():
        details = tuple(gate.sentence for gate in plan.open_gates)
        raise Refused("Ending it now would be felt. Say why it may end all the same.", details)
    if plan.open_gates:
        require(by, Act.OVERRIDE_GATES, at=_places(row))
    with transaction.atomic():
        _begin_end(row, f"{Ending(ending).value}: {reason.strip()}", by=by, now=now)
        audit.record(
            "exception.revoked" if ending == Ending.REVOKED else "exception.given_up",
            by=by,
            now=now,
            exception=row,
            message=reason.strip(),
            details=_gate_details(plan, override_reason),
        )
    return row


def end_expired(*, now: datetime) -> int:
    """Begin the end of every exception whose time has come, and return their number. Catches up after any pause."""
    due = ExceptionRequest.objects.filter(
        Q(status__in=[ExceptionStatus.IN_FORCE, ExceptionStatus.FAILED, ExceptionStatus.APPROVED]),
        approved_ends_at__lte=now,
    ).select_related("variant__cluster")
    return sum(_expire(row, now=now) for row in due.order_by("approved_ends_at"))


def _expire(row: ExceptionRequest, *, now: datetime) -> bool:
    with transaction.atomic():
        if has_open_flip(row):
            return False  # being carried out at this moment; its end is due once that is over
        if row.status == ExceptionStatus.APPROVED:
            return _expire_unwritten(row, now=now)
        try:
            _begin_end(row, "expired", by=SYSTEM, now=now)
        except Busy:
            return False
        audit.record("exception.expired", by=SYSTEM, now=now, exception=row)
    return True


def _expire_unwritten(row: ExceptionRequest, *, now: datetime) -> bool:
    message = "Its time was over before it could be carried out."
    rows = ExceptionRequest.objects.filter(pk=row.pk, status=row.status).update(
        status=ExceptionStatus.ENDED.value,
        ending_at=now,
        ending_reason="expired",
        closed_at=now,
        closing_message=message,
    )
    if rows:
        audit.record("exception.ended", by=SYSTEM, now=now, exception=row, message=message)
    return bool(rows)


def announce_ends(*, now: datetime) -> int:
    """Note, days ahead, that an exception will end; the nearest mark alone after a pause. Returns their number."""
    horizon = now + timedelta(days=max(ANNOUNCED_DAYS))
    coming = ExceptionRequest.objects.filter(
        status=ExceptionStatus.IN_FORCE, approved_ends_at__gt=now, approved_ends_at__lte=horizon
    ).select_related("variant__cluster")
    return sum(
        _announce(row, row.approved_ends_at - now, now=now)
        for row in coming.order_by("approved_ends_at")
        if row.approved_ends_at
    )


def _announce(row: ExceptionRequest, left: timedelta, *, now: datetime) -> bool:
    mark = min(days for days in ANNOUNCED_DAYS if left <= timedelta(days=days))
    with transaction.atomic():
        told = ExceptionRequest.objects.filter(
            Q(announced_days__isnull=True) | Q(announced_days__gt=mark),
            pk=row.pk,
            status=row.status,
        ).update(announced_days=mark)
        if told:
            audit.record(
                "exception.expiry_announced",
                by=SYSTEM,
                now=now,
                exception=row,
                details={"days": mark},
            )
    return bool(told)


def _find(exception_id: UUID) -> ExceptionRequest:
    return ExceptionRequest.objects.select_related("variant__cluster", "decided_by").get(
        pk=exception_id
    )


def _places(row: ExceptionRequest) -> tuple[Place, ...]:
    return places_of(row.variant.cluster, (row.namespace,))


def _begin_end(row: ExceptionRequest, reason: str, *, by: Actor, now: datetime) -> None:
    columns = {
        "status": ExceptionStatus.ENDING.value,
        "ending_at": now,
        "ending_by_id": by.user_id,
        "ending_reason": reason,
        "closing_message": "",
    }
    if has_open_flip(row):
        raise Busy("A worker is at this exception at this moment. Wait until it has ended.")
    rows = ExceptionRequest.objects.filter(pk=row.pk, status=row.status).update(**columns)
    if not rows:
        raise Busy("Somebody else has just changed this exception. Look again.")
    for name, value in columns.items():
        setattr(row, name, value)
    dispatch.enqueue(dispatch.CARRY_OUT_EXCEPTION, exception_id=str(row.pk))


def _gate_details(plan: Plan, override_reason: str) -> dict[str, object]:
    return {
        "open_gates": [gate.gate for gate in plan.open_gates],
        "override_reason": override_reason.strip() if plan.open_gates else "",
    }
