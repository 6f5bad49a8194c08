"""Ask for exceptions and decide on them: drafts, requests, edits, approvals. Not how one is carried out or ended.

What people agree to is the exemption: which workloads, from what, until when. The plan that follows from it is made
when it is carried out (`policies.actions.exception_rollouts`), and made anew when the ground has moved.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from policies import dispatch
from policies.actions import audit
from policies.actions.errors import Busy, Refused
from policies.actions.exception_planning import check_honoured
from policies.actions.exception_previews import plan_to_exempt
from policies.actions.exception_rollouts import begin_if_free
from policies.actions.exception_rows import (
    change,
    check_revision,
    exception_places,
    find_exception,
    is_over,
    move,
)
from policies.actions.exception_wishes import (
    agreed_end,
    agreed_workloads,
    check_adopted,
    check_same_place,
    check_wish,
    columns_of,
    create_row,
    lapses_at,
    refuse,
    told,
    wished_variant,
)
from policies.domain.authority import SYSTEM, Act, Actor, require
from policies.domain.exemptions import ExceptionWish, WorkloadName
from policies.domain.lifecycle import ExceptionStatus, WrongState, check_exception
from policies.domain.wishes import draft_problems
from policies.models import ExceptionRequest
from policies.queries.exemption_rows import exemption_of
from policies.queries.places import places_of

_NO_DECISION: dict[str, Any] = {
    "decided_by_id": None,
    "decided_at": None,
    "comment": "",
    "approved_workloads": [],
    "approved_ends_at": None,
    "due_at": None,
    "attempt_count": 0,
    "closing_message": "",
}


def save_draft(
    *, wish: ExceptionWish, exception_id: UUID | None = None, by: Actor, now: datetime
) -> ExceptionRequest:
    """Keep what was typed so far; only policy and namespace are needed. Nobody else sees or decides on a draft."""
    variant = wished_variant(wish)
    require(by, Act.REQUEST_EXCEPTION, at=places_of(variant.cluster, [wish.namespace]))
    refuse(draft_problems(wish))
    with transaction.atomic():
        if exception_id is None:
            row = create_row(variant, wish, ExceptionStatus.DRAFT, person_id=by.person_id, now=now)
        else:
            row = _own_draft(exception_id, wish, by=by)
            _write(row, **columns_of(wish))
        audit.record("exception.drafted", by=by, now=now, exception=row)
    return row


def request(
    *,
    wish: ExceptionWish,
    exception_id: UUID | None = None,
    adopted_from: str = "",
    by: Actor,
    now: datetime,
) -> ExceptionRequest:
    """Ask for an exception, or for what a draft says by now.

    `adopted_from` is the exception on the cluster, as `group/namespace/name`, whose place it shall take.
    Raises Refused with everything that is not right about the wish.
    """
    variant = wished_variant(wish)
    require(by, Act.REQUEST_EXCEPTION, at=places_of(variant.cluster, [wish.namespace]))
    check_wish(wish, variant, now=now)
    if adopted_from:
        check_adopted(adopted_from, variant)
    asked = {
        "requested_at": now,
        "lapses_at": lapses_at(now),
        "adopted_from": adopted_from,
    }
    with transaction.atomic():
        if exception_id is None:
            row = create_row(
                variant, wish, ExceptionStatus.REQUESTED, person_id=by.person_id, now=now, **asked
            )
        else:
            row = _own_draft(exception_id, wish, by=by)
            move(row, ExceptionStatus.REQUESTED, **columns_of(wish), **asked)
        audit.record(
            "exception.requested",
            by=by,
            now=now,
            exception=row,
            message=row.reason,
            details=told(row),
        )
    return row


def edit(
    *, exception_id: UUID, revision: int, wish: ExceptionWish, by: Actor, now: datetime
) -> ExceptionRequest:
    """Change what was asked for; whatever was approved is void, and has to be decided on anew.

    Raises Refused when it is being carried out already: what is on a cluster is ended, not edited.
    """
    row = find_exception(exception_id)
    require(
        by,
        Act.WITHDRAW_EXCEPTION,
        at=exception_places(row),
        requested_by_id=row.requested_by_id,
    )
    if row.status != ExceptionStatus.REQUESTED:
        check_exception(ExceptionStatus(row.status), ExceptionStatus.REQUESTED)
    if row.status == ExceptionStatus.DRAFT:
        raise WrongState("This exception is a draft: save it, or ask for it.")
    check_revision(row, revision)
    check_same_place(row, wish)
    check_wish(wish, row.variant, now=now)
    before, was_approved = told(row), row.decided_by_id is not None
    with transaction.atomic():
        _write(
            row,
            status=ExceptionStatus.REQUESTED.value,
            **_NO_DECISION,
            **columns_of(wish),
            revision=revision + 1,
            lapses_at=lapses_at(now),
        )
        _check_untouched(row)
        audit.record(
            "exception.edited",
            by=by,
            now=now,
            exception=row,
            message="What was approved is void." if was_approved else "",
            details={"before": before, **told(row)},
        )
    return row


def withdraw(*, exception_id: UUID, by: Actor, now: datetime) -> ExceptionRequest:
    """Take back what has not been written to the cluster, a draft included."""
    row = find_exception(exception_id)
    require(
        by,
        Act.WITHDRAW_EXCEPTION,
        at=exception_places(row),
        requested_by_id=row.requested_by_id,
    )
    check_exception(ExceptionStatus(row.status), ExceptionStatus.WITHDRAWN)
    with transaction.atomic():
        move(row, ExceptionStatus.WITHDRAWN, closed_at=now, due_at=None)
        _check_untouched(row)
        audit.record("exception.withdrawn", by=by, now=now, exception=row)
    return row


def approve(
    *,
    exception_id: UUID,
    revision: int,
    workloads: Collection[WorkloadName] | None = None,
    ends_at: datetime | None = None,
    comment: str,
    by: Actor,
    now: datetime,
) -> ExceptionRequest:
    """Agree to all of a request, or to fewer of its workloads, or to an earlier end; and have it carried out.

    Raises Refused when this is not the revision that was looked at, or when the cluster would not honour it: the
    request stays. Raises Busy when somebody else has just decided; WrongState, ClusterError.
    """
    row = _decidable(exception_id, revision, ExceptionStatus.APPROVED, by=by, now=now)
    if not comment.strip():
        raise Refused("Say why you agree: the person who asked, and auditors, will read it.")
    agreed = agreed_workloads(row, workloads)
    end = agreed_end(row, ends_at, now=now)
    exemption = replace(exemption_of(row), workloads=agreed, ends_at=end, approved_by=by.name)
    planned = plan_to_exempt(row, exemption, now=now)
    check_honoured(planned)
    with transaction.atomic():
        move(
            row,
            ExceptionStatus.APPROVED,
            decided_by_id=by.person_id,
            decided_at=now,
            comment=comment.strip(),
            approved_workloads=[each.to_json() for each in agreed],
            approved_ends_at=end,
            due_at=now,
            attempt_count=0,
        )
        begin_if_free(row, planned.plan, now=now)
        audit.record(
            "exception.approved",
            by=by,
            now=now,
            exception=row,
            message=row.comment,
            details={**told(row), "support": planned.support},
        )
    return row


def try_again(*, exception_id: UUID, by: Actor, now: datetime) -> ExceptionRequest:
    """Have what was agreed to and not proven carried out once more."""
    row = find_exception(exception_id)
    require(by, Act.REQUEST_EXCEPTION, at=exception_places(row))
    check_exception(ExceptionStatus(row.status), ExceptionStatus.APPROVED)
    if row.status != ExceptionStatus.FAILED:
        raise WrongState(f"This exception is {row.status}; it has not failed.")
    if is_over(row, now):
        raise Refused("Its end has come. Ask for it again.")
    with transaction.atomic():
        move(row, ExceptionStatus.APPROVED, due_at=now, attempt_count=0, closing_message="")
        audit.record("exception.tried_again", by=by, now=now, exception=row)
        dispatch.enqueue(dispatch.CARRY_OUT_EXCEPTION, exception_id=str(row.pk))
    return row


def decline(
    *, exception_id: UUID, revision: int, comment: str, by: Actor, now: datetime
) -> ExceptionRequest:
    """Decline a request, saying why."""
    row = _decidable(exception_id, revision, ExceptionStatus.DECLINED, by=by, now=now)
    if not comment.strip():
        raise Refused("Say why you decline: the person who asked will read it.")
    with transaction.atomic():
        move(
            row,
            ExceptionStatus.DECLINED,
            decided_by_id=by.person_id,
            decided_at=now,
            comment=comment.strip(),
            closed_at=now,
        )
        audit.record("exception.declined", by=by, now=now, exception=row, message=row.comment)
    return row


def lapse_unanswered(*, now: datetime) -> int:
    """Let requests lapse that nobody decided on in time, or before the end that they ask for; return their number."""
    waiting = ExceptionRequest.objects.filter(status=ExceptionStatus.REQUESTED)
    due = waiting.filter(lapses_at__lte=now) | waiting.filter(ends_at__lte=now)
    lapsed = 0
    for row in due.select_related("variant__cluster"):
        said = (
            "Its end came before anybody decided."
            if is_over(row, now)
            else "Nobody decided in time."
        )
        with transaction.atomic():
            if change(
                row, status=ExceptionStatus.LAPSED.value, closed_at=now, closing_message=said
            ):
                audit.record("exception.lapsed", by=SYSTEM, now=now, exception=row, message=said)
                lapsed += 1
    return lapsed


def _own_draft(exception_id: UUID, wish: ExceptionWish, *, by: Actor) -> ExceptionRequest:
    row = find_exception(exception_id)
    require(
        by,
        Act.WITHDRAW_EXCEPTION,
        at=exception_places(row),
        requested_by_id=row.requested_by_id,
    )
    if row.status != ExceptionStatus.DRAFT:
        raise WrongState(f"This exception is {row.status}; it is no draft any more.")
    check_same_place(row, wish)
    return row


def _write(row: ExceptionRequest, **columns: Any) -> None:
    if not change(row, **columns):
        raise Busy("Somebody else has just changed this exception. Look again.")


def _decidable(
    exception_id: UUID, revision: int, wanted: ExceptionStatus, *, by: Actor, now: datetime
) -> ExceptionRequest:
    row = find_exception(exception_id)
    require(by, Act.DECIDE_EXCEPTION, at=exception_places(row), requested_by_id=row.requested_by_id)
    check_exception(ExceptionStatus(row.status), wanted)
    if row.status != ExceptionStatus.REQUESTED:
        raise WrongState(f"This exception is {row.status}; it does not wait for a decision.")
    check_revision(row, revision)
    if row.lapses_at is not None and row.lapses_at <= now:
        raise Refused("This request has lapsed: nobody decided in time. Ask for it again.")
    if is_over(row, now):
        raise Refused("The end that it asks for has come. Ask for it again.")
    return row


def _check_untouched(row: ExceptionRequest) -> None:
    """Raise Refused when a worker is at it, or may have written it: what is on a cluster is ended there.

    Asked after the row was changed, and so holds it: an attempt that began meanwhile is seen.
    """
    if row.flips.exists():
        raise Refused("It is being carried out, or was: end it instead.")
