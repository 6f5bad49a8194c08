"""Carry out what was decided of exceptions, through the same roll-out as a flip; wait while the variant is busy.

The rows say what is due: an approved exception, or one that is to end, without an open flip. Workers may die anywhere.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from policies import dispatch
from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Refused
from policies.actions.exemption_plans import make_exemption_plan
from policies.actions.starting import start_rollout
from policies.cluster.errors import ClusterError
from policies.domain.authority import SYSTEM
from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    OPEN_FLIP_STATUSES,
    ExceptionStatus,
    FlipStatus,
    FlipVerb,
    RolloutStatus,
)
from policies.domain.plans import Plan
from policies.models import ExceptionRequest, Flip, Rollout

logger = logging.getLogger(__name__)

WEB_PATIENCE_SECONDS = 10.0
WORKER_PATIENCE_SECONDS = 20.0
TRY_AGAIN_AFTER = timedelta(seconds=60)
"""How long an end that could not be proven rests before it is tried again."""
_VERBS = {
    ExceptionStatus.APPROVED: FlipVerb.EXEMPT,
    ExceptionStatus.ENDING: FlipVerb.END_EXEMPTION,
}


def preview_agreed(row: ExceptionRequest, *, now: datetime) -> Plan:
    """Plan to carry out this exception, saved or not, and write nothing. Raises Refused, ClusterError."""
    with connected(row.variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        return make_exemption_plan(gateway, row, FlipVerb.EXEMPT, now=now)


def has_open_flip(row: ExceptionRequest) -> bool:
    """Say whether a worker has the exception in hand."""
    return row.flips.filter(status__in=[status.value for status in OPEN_FLIP_STATUSES]).exists()


def begin(row: ExceptionRequest, plan: Plan, *, now: datetime) -> Flip | None:
    """Start the roll-out in the caller's transaction; None while another roll-out of the variant is under way."""
    active = Rollout.objects.filter(
        variant_id=row.variant_id, status__in=[status.value for status in ACTIVE_ROLLOUT_STATUSES]
    )
    if active.exists() or has_open_flip(row):
        return None
    try:
        with transaction.atomic():
            flip = _flip(row, plan, now)
            flip.save(force_insert=True)
            start_rollout(flip, now=now)
    except IntegrityError:
        return None  # somebody else began this, or another roll-out, a moment ago
    return flip


def _flip(row: ExceptionRequest, plan: Plan, now: datetime) -> Flip:
    """Write down whose decision is carried out: that of the approval, but for an end that somebody else chose."""
    is_chosen = plan.verb is FlipVerb.END_EXEMPTION and row.ending_by_id is not None
    by_approval = {"decided_by_id": row.decided_by_id, "decided_at": row.decided_at}
    return Flip(
        variant_id=row.variant_id,
        exception=row,
        verb=plan.verb.value,
        namespaces=[row.namespace],
        reason=row.ending_reason if plan.verb is FlipVerb.END_EXEMPTION else row.reason,
        override_reason="",
        plan=plan.to_json(),
        plan_digest=plan.digest,
        status=FlipStatus.APPROVED.value,
        requested_by_id=(row.ending_by_id if is_chosen else None) or row.requested_by_id,
        requested_at=(row.ending_at if is_chosen else row.requested_at) or now,
        lapses_at=now,
        **({} if is_chosen else by_approval),
    )


def due_exceptions(*, now: datetime) -> tuple[str, ...]:
    """Name the exceptions that a roll-out is due for and nobody has in hand."""
    rows = ExceptionRequest.objects.filter(status__in=[status.value for status in _VERBS])
    open_flips = Flip.objects.filter(
        exception__isnull=False, status__in=[status.value for status in OPEN_FLIP_STATUSES]
    )
    tried = Flip.objects.filter(exception__isnull=False, closed_at__gt=now - TRY_AGAIN_AFTER)
    due = rows.exclude(pk__in=open_flips.values("exception_id")).exclude(
        pk__in=tried.values("exception_id")
    )
    return tuple(str(pk) for pk in due.order_by("created_at").values_list("pk", flat=True))


def carry_out(*, exception_id: UUID, now: datetime) -> Flip | None:
    """Begin the roll-out that is due for one exception; None when there is none, or when it has to wait."""
    row = ExceptionRequest.objects.select_related("variant__cluster", "decided_by").get(
        pk=exception_id
    )
    verb = _VERBS.get(ExceptionStatus(row.status))
    if verb is None or has_open_flip(row):
        return None
    try:
        with connected(row.variant.cluster, patience_seconds=WORKER_PATIENCE_SECONDS) as gateway:
            plan = make_exemption_plan(gateway, row, verb, now=now)
    except ClusterError as error:
        _say(row, f"It could not be planned, and is tried again: {error}")
        return None
    except Refused as refusal:
        _refuse(row, refusal.message, now=now)
        return None
    with transaction.atomic():
        if verb is FlipVerb.END_EXEMPTION and not plan.objects:
            _close_unwritten(row, now=now)
            return None
        return begin(row, plan, now=now)


def _say(row: ExceptionRequest, message: str) -> None:
    ExceptionRequest.objects.filter(pk=row.pk, status=row.status).update(closing_message=message)


def _refuse(row: ExceptionRequest, message: str, *, now: datetime) -> None:
    """Note that the cluster does not let it be carried out; an end goes on being due."""
    if row.status != ExceptionStatus.APPROVED:
        _say(row, message)
        return
    with transaction.atomic():
        _move(row, ExceptionStatus.FAILED, closing_message=message)
        audit.record(
            "exception.failed", by=SYSTEM, now=now, exception=row, outcome="failed", message=message
        )


def _close_unwritten(row: ExceptionRequest, *, now: datetime) -> None:
    _move(row, ExceptionStatus.ENDED, closed_at=now, closing_message="")
    message = "Nothing of it was ever written to the cluster."
    audit.record("exception.ended", by=SYSTEM, now=now, exception=row, message=message)


def note_outcome(flip: Flip, status: RolloutStatus, message: str, *, now: datetime) -> None:
    """Let an exception follow how its roll-out ended, in the transaction that ends the roll-out."""
    row = flip.exception
    if row is None:
        return
    is_proven = status is RolloutStatus.PROVEN
    if flip.verb == FlipVerb.END_EXEMPTION:
        if is_proven:
            _move(row, ExceptionStatus.ENDED, closed_at=now, closing_message="")
            audit.record("exception.ended", by=SYSTEM, now=now, exception=row)
        else:
            _say(row, f"Its end is not proven, and is tried again: {message}")
            audit.record(
                "exception.end_failed",
                by=SYSTEM,
                now=now,
                exception=row,
                outcome="failed",
                message=message,
            )
    elif is_proven:
        _move(row, ExceptionStatus.IN_FORCE, in_force_at=now, closing_message="")
        audit.record("exception.in_force", by=SYSTEM, now=now, exception=row)
    else:
        _move(row, ExceptionStatus.FAILED, closing_message=message)
        audit.record(
            "exception.failed", by=SYSTEM, now=now, exception=row, outcome="failed", message=message
        )


def dispatch_waiting(variant_id: int) -> None:
    """Send the exceptions of a variant that waited for its roll-out to end."""
    waiting = ExceptionRequest.objects.filter(
        variant_id=variant_id, status=ExceptionStatus.APPROVED.value
    )
    for pk in waiting.values_list("pk", flat=True):
        dispatch.enqueue(dispatch.CARRY_OUT_EXCEPTION, exception_id=str(pk))


def _move(row: ExceptionRequest, status: ExceptionStatus, **columns: object) -> None:
    """Change the status if it is still what it was; a row that moved on meanwhile stays as it is."""
    columns["status"] = status.value
    if ExceptionRequest.objects.filter(pk=row.pk, status=row.status).update(**columns):
        for name, value in columns.items():
            setattr(row, name, value)
