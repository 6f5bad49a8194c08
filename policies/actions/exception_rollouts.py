"""Carry exceptions out: a flip with a frozen plan and its roll-out for each attempt, as soon as the variant is free.

What is due is read from the rows: an exception that waits for another roll-out, or whose last attempt came to nothing,
is planned anew when its time has come. A rollback goes ahead of it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from policies.actions import audit
from policies.actions.connections import connected
from policies.actions.errors import Busy, Refused
from policies.actions.exception_outcomes import next_attempt_at
from policies.actions.exception_planning import check_honoured, plan_exception
from policies.actions.exception_rows import change, find_exception, is_over
from policies.actions.starting import start_rollout
from policies.cluster.errors import ClusterError
from policies.domain.authority import SYSTEM
from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    OPEN_FLIP_STATUSES,
    ExceptionStatus,
    FlipStatus,
    FlipVerb,
)
from policies.domain.plans import Plan
from policies.models import ExceptionRequest, Flip, Rollout

PATIENCE_SECONDS = 10.0
VERBS = {
    ExceptionStatus.APPROVED: FlipVerb.EXEMPT,
    ExceptionStatus.ENDING: FlipVerb.END_EXEMPTION,
}
"""What is to be done for an exception that is due, by its status."""


def due_exceptions(*, now: datetime) -> tuple[str, ...]:
    """Name the exceptions that have something to be done on their cluster, and nobody at it."""
    due = ExceptionRequest.objects.filter(
        status__in=[status.value for status in VERBS], due_at__lte=now
    ).exclude(variant__rollouts__status__in=[s.value for s in ACTIVE_ROLLOUT_STATUSES])
    return tuple(str(pk) for pk in due.order_by("due_at", "pk").values_list("pk", flat=True))


def carry_out(*, exception_id: UUID, now: datetime) -> ExceptionRequest:
    """Plan what is due for one exception and begin its roll-out; harmless when nothing is due, or somebody is at it."""
    row = find_exception(exception_id)
    if str(row.pk) not in due_exceptions(now=now):
        return row
    if row.status == ExceptionStatus.APPROVED and is_over(row, now):
        # Its end has come while it waited: `exception_ends.end_expired` sees to it.
        return row
    verb = VERBS[ExceptionStatus(row.status)]
    try:
        with connected(row.variant.cluster, patience_seconds=PATIENCE_SECONDS) as gateway:
            planned = plan_exception(gateway, row, verb, now=now)
        check_honoured(planned)
        begin(row, planned.plan, now=now)
    except Busy:
        return row
    except (Refused, ClusterError) as error:
        _put_off(row, error.message, now=now)
    return row


def begin(row: ExceptionRequest, plan: Plan, *, now: datetime) -> Flip:
    """Write the flip of one attempt, its revision and its roll-out. Raises Busy when the variant is not free."""
    try:
        with transaction.atomic():
            if not change(row, due_at=None):
                raise Busy("Somebody else has just changed this exception. Look again.")
            flip = _flip_of(row, plan, now=now)
            flip.save(force_insert=True)
            start_rollout(flip, now=now)
    except IntegrityError:
        raise Busy("Another roll-out of this policy is under way.") from None
    return flip


def begin_if_free(row: ExceptionRequest, plan: Plan, *, now: datetime) -> None:
    """Begin an attempt; while the variant is not free it waits, and is planned anew when its turn comes."""
    try:
        with transaction.atomic():
            begin(row, plan, now=now)
    except Busy:
        row.due_at = now


def _flip_of(row: ExceptionRequest, plan: Plan, *, now: datetime) -> Flip:
    alone = row.ending_by_id if plan.verb is FlipVerb.END_EXEMPTION else None
    return Flip(
        variant=row.variant,
        exception=row,
        verb=plan.verb.value,
        namespaces=list(plan.namespaces),
        reason=row.ending_reason if plan.verb is FlipVerb.END_EXEMPTION else row.reason,
        override_reason=row.ending_override if plan.open_gates else "",
        plan=plan.to_json(),
        plan_digest=plan.digest,
        status=FlipStatus.APPROVED.value,
        # Who agreed to the exception agreed to its end as well.
        requested_by_id=alone or row.requested_by_id,
        requested_at=now,
        lapses_at=now + timedelta(seconds=settings.SECPROF_APPROVAL_LAPSES_SECONDS),
        decided_by_id=None if alone else row.decided_by_id,
        decided_at=None if alone else row.decided_at,
        comment="" if alone else row.comment,
    )


def is_at_work(row: ExceptionRequest) -> bool:
    """Say whether a flip of this exception is open."""
    return row.flips.filter(status__in=[s.value for s in OPEN_FLIP_STATUSES]).exists()


def may_be_written(row: ExceptionRequest) -> bool:
    """Say whether an attempt to put it into force may have written something to the cluster."""
    return Rollout.objects.filter(
        flip__exception=row,
        flip__verb=FlipVerb.EXEMPT.value,
        steps__kind="apply",
        steps__started_at__isnull=False,
    ).exists()


def _put_off(row: ExceptionRequest, said: str, *, now: datetime) -> None:
    attempts = row.attempt_count + 1
    is_news = row.closing_message != said
    with transaction.atomic():
        mine = ExceptionRequest.objects.filter(pk=row.pk, attempt_count=row.attempt_count)
        waits = mine.exists() and change(
            row,
            attempt_count=attempts,
            due_at=next_attempt_at(attempts, now),
            closing_message=said,
        )
        if waits and is_news:
            audit.record(
                "exception.put_off",
                by=SYSTEM,
                now=now,
                exception=row,
                outcome="failed",
                message=said,
            )
