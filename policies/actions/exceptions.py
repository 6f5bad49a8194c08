"""Decide on exceptions: draft, request, edit, withdraw, approve, decline. What is agreed to is carried out elsewhere.

A decision is about one revision of a request: whoever edits it voids what was agreed to.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from policies.actions import audit
from policies.actions.errors import Busy, Refused
from policies.actions.exception_rollouts import begin, has_open_flip, preview_agreed
from policies.domain.authority import SYSTEM, Act, Actor, Place, require
from policies.domain.exemptions import WorkloadName
from policies.domain.library import Target
from policies.domain.lifecycle import ExceptionStatus, check_exception
from policies.domain.wishes import Bounds, ExceptionWish, end_flaws, flaws_of
from policies.models import ExceptionRequest, ObservedNamespace, Variant
from policies.queries.exemptions import controls_of, workloads_of
from policies.queries.places import places_of

_EDITABLE = (ExceptionStatus.REQUESTED, ExceptionStatus.APPROVED, ExceptionStatus.FAILED)


def save_draft(
    *, wish: ExceptionWish, exception_id: UUID | None = None, by: Actor, now: datetime
) -> ExceptionRequest:
    """Keep a wish for later, complete or not; only its author sees it. Raises NotAllowed, Refused, WrongState."""
    variant = _variant(wish)
    require(by, Act.REQUEST_EXCEPTION, at=_places(variant, wish.namespace))
    with transaction.atomic():
        row = _own_draft(exception_id, by) or _new(variant, by, now)
        _write_wish(row, wish, variant, now=now)
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
    """Ask for an exception, from a draft or at once.

    `adopted_from` names the PolicyException on the cluster whose place it takes. Raises Refused with every flaw of the
    wish, NotAllowed, WrongState.
    """
    variant = _variant(wish)
    require(by, Act.REQUEST_EXCEPTION, at=_places(variant, wish.namespace))
    _check_wish(wish, variant, now=now)
    with transaction.atomic():
        row = _own_draft(exception_id, by) or _new(variant, by, now)
        row.adopted_from = adopted_from or row.adopted_from
        row.status = ExceptionStatus.REQUESTED.value
        row.requested_at = now
        row.lapses_at = _lapses_at(now)
        _write_wish(row, wish, variant, now=now)
        audit.record("exception.requested", by=by, now=now, exception=row, message=row.reason)
    return row


def edit(
    *, exception_id: UUID, revision: int, wish: ExceptionWish, by: Actor, now: datetime
) -> ExceptionRequest:
    """Change a request that is not in force; an approval of it is void from then on.

    Raises Refused, also while a worker carries it out; NotAllowed, WrongState, Busy when somebody else was faster.
    """
    row = _find(exception_id)
    require(by, Act.WITHDRAW_EXCEPTION, at=_places_of(row), requested_by_id=row.requested_by_id)
    current = ExceptionStatus(row.status)
    if current not in _EDITABLE:
        check_exception(current, ExceptionStatus.REQUESTED)
    _check_revision(row, revision)
    if (wish.variant_id, wish.namespace) != (row.variant_id, row.namespace):
        raise Refused("Policy and namespace stay as they are: ask for another exception instead.")
    _check_wish(wish, row.variant, now=now)
    with transaction.atomic():
        if has_open_flip(row):
            raise Refused("A worker carries this out at this moment. Wait until it has ended.")
        voided = current is not ExceptionStatus.REQUESTED
        _take(
            row,
            ExceptionStatus.REQUESTED,
            revision=row.revision + 1,
            decided_by=None,
            decided_at=None,
            comment="",
            approved_workloads=[],
            approved_ends_at=None,
            lapses_at=_lapses_at(now),
            **_columns(wish, row.variant),
        )
        message = "This voids the approval." if voided else ""
        audit.record("exception.edited", by=by, now=now, exception=row, message=message)
    return row


def withdraw(*, exception_id: UUID, by: Actor, now: datetime) -> ExceptionRequest:
    """Take back a request that has not been carried out, or throw a draft away."""
    row = _find(exception_id)
    require(by, Act.WITHDRAW_EXCEPTION, at=_places_of(row), requested_by_id=row.requested_by_id)
    check_exception(ExceptionStatus(row.status), ExceptionStatus.WITHDRAWN)
    with transaction.atomic():
        if has_open_flip(row):
            raise Refused("A worker carries this out at this moment: end it when it is in force.")
        _take(row, ExceptionStatus.WITHDRAWN, closed_at=now)
        audit.record("exception.withdrawn", by=by, now=now, exception=row)
    return row


def approve(
    *,
    exception_id: UUID,
    revision: int,
    workloads: Iterable[WorkloadName] | None = None,
    ends_at: datetime | None = None,
    comment: str,
    by: Actor,
    now: datetime,
) -> ExceptionRequest:
    """Agree to all of a request, to fewer of its workloads, or to an earlier end, and have it carried out.

    Nothing is decided when the cluster would not honour the exception, or does not answer: the request stays.
    Raises Refused, NotAllowed, WrongState, Busy when somebody else was faster, ClusterError.
    """
    row = _decidable(exception_id, ExceptionStatus.APPROVED, revision, comment, by=by, now=now)
    agreed = _agreed_workloads(row, workloads)
    end = ends_at or row.ends_at
    _check_end(row, end, now=now)
    row.approved_workloads = [workload.to_json() for workload in agreed]
    row.approved_ends_at = end
    row.decided_by_id = by.person_id
    plan = preview_agreed(row, now=now)
    with transaction.atomic():
        _take(
            row,
            ExceptionStatus.APPROVED,
            decided_by_id=by.person_id,
            decided_at=now,
            comment=comment.strip(),
            approved_workloads=row.approved_workloads,
            approved_ends_at=end,
            closing_message="",
        )
        audit.record(
            "exception.approved",
            by=by,
            now=now,
            exception=row,
            message=comment.strip(),
            details={"is_partial": len(agreed) < len(row.workloads) or end < row.ends_at},
        )
        begin(row, plan, now=now)
    return row


def decline(
    *, exception_id: UUID, revision: int, comment: str, by: Actor, now: datetime
) -> ExceptionRequest:
    """Say no, and why."""
    row = _decidable(exception_id, ExceptionStatus.DECLINED, revision, comment, by=by, now=now)
    with transaction.atomic():
        _take(
            row,
            ExceptionStatus.DECLINED,
            decided_by_id=by.person_id,
            decided_at=now,
            comment=comment.strip(),
            closed_at=now,
        )
        audit.record("exception.declined", by=by, now=now, exception=row, message=comment.strip())
    return row


def try_again(*, exception_id: UUID, by: Actor, now: datetime) -> ExceptionRequest:
    """Carry out once more what was agreed to and could not be proven.

    Raises Refused, NotAllowed, Busy when somebody else was faster, ClusterError.
    """
    row = _find(exception_id)
    require(by, Act.REQUEST_EXCEPTION, at=_places_of(row))
    if row.status != ExceptionStatus.FAILED or row.approved_ends_at is None:
        raise Refused("Only an exception that failed can be tried again.")
    if row.approved_ends_at <= now:
        raise Refused("Its time is over: ask for another exception.")
    plan = preview_agreed(row, now=now)
    with transaction.atomic():
        _take(row, ExceptionStatus.APPROVED, closing_message="")
        audit.record("exception.tried_again", by=by, now=now, exception=row)
        begin(row, plan, now=now)
    return row


def lapse_unanswered(*, now: datetime) -> int:
    """Let requests lapse that nobody decided on in time, and return their number."""
    old = ExceptionRequest.objects.filter(status=ExceptionStatus.REQUESTED, lapses_at__lte=now)
    lapsed = 0
    for row in old.select_related("variant__cluster"):
        with transaction.atomic():
            if _swap(
                row,
                ExceptionStatus.LAPSED,
                closed_at=now,
                closing_message="Nobody decided in time.",
            ):
                audit.record("exception.lapsed", by=SYSTEM, now=now, exception=row)
                lapsed += 1
    return lapsed


def bounds_of(variant: Variant) -> Bounds:
    """Say what the variant and the settings allow an exception from it."""
    return Bounds(
        target=Target(variant.target),
        controls=tuple(str(control) for control in controls_of(variant)),
        longest=timedelta(days=settings.SECPROF_EXCEPTION_MAX_DAYS),
    )


def _variant(wish: ExceptionWish) -> Variant:
    return Variant.objects.select_related("cluster").get(pk=wish.variant_id)


def _find(exception_id: UUID) -> ExceptionRequest:
    return ExceptionRequest.objects.select_related("variant__cluster").get(pk=exception_id)


def _places(variant: Variant, namespace: str) -> tuple[Place, ...]:
    if not namespace:
        raise Refused("Choose the namespace.")
    return places_of(variant.cluster, (namespace,))


def _places_of(row: ExceptionRequest) -> tuple[Place, ...]:
    return _places(row.variant, row.namespace)


def _lapses_at(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.SECPROF_APPROVAL_LAPSES_SECONDS)


def _check_wish(wish: ExceptionWish, variant: Variant, *, now: datetime) -> None:
    flaws = list(flaws_of(wish, bounds_of(variant), now=now))
    space = ObservedNamespace.objects.filter(cluster_id=variant.cluster_id, name=wish.namespace)
    if not space.exists():
        flaws.insert(0, f"{variant.cluster.name} has no namespace {wish.namespace}.")
    if wish.namespace in variant.parameters.get("excluded_namespaces", ()):
        flaws.insert(
            0, f"{variant.name} leaves {wish.namespace} alone: nothing needs an exception."
        )
    if flaws:
        raise Refused(flaws[0], tuple(flaws[1:]))


def _own_draft(exception_id: UUID | None, by: Actor) -> ExceptionRequest | None:
    if exception_id is None:
        return None
    row = _find(exception_id)
    require(by, Act.WITHDRAW_EXCEPTION, at=_places_of(row), requested_by_id=row.requested_by_id)
    check_exception(ExceptionStatus(row.status), ExceptionStatus.REQUESTED)
    if row.status != ExceptionStatus.DRAFT:
        raise Refused("This was asked for already: edit it instead.")
    return row


def _new(variant: Variant, by: Actor, now: datetime) -> ExceptionRequest:
    return ExceptionRequest(
        variant=variant,
        status=ExceptionStatus.DRAFT.value,
        requested_by_id=by.person_id,
        created_at=now,
    )


def _columns(wish: ExceptionWish, variant: Variant) -> dict[str, Any]:
    chosen = wish.controls or tuple(str(control) for control in controls_of(variant))
    return {
        "workloads": [workload.to_json() for workload in sorted(set(wish.workloads))],
        "controls": [str(control) for control in controls_of(variant) if control in chosen],
        "reason": wish.reason.strip(),
        "compensating_control": wish.compensating_control.strip(),
        "ticket": wish.ticket.strip(),
        "ends_at": wish.ends_at,
    }


def _write_wish(
    row: ExceptionRequest, wish: ExceptionWish, variant: Variant, *, now: datetime
) -> None:
    row.variant = variant
    row.namespace = wish.namespace
    for name, value in _columns(wish, variant).items():
        setattr(row, name, value)
    row.ends_at = wish.ends_at or now + bounds_of(variant).longest
    row.save()


def _check_revision(row: ExceptionRequest, revision: int) -> None:
    if row.revision != revision:
        raise Refused("This request was edited since you looked at it. Look again, then decide.")


def _decidable(
    exception_id: UUID,
    wanted: ExceptionStatus,
    revision: int,
    comment: str,
    *,
    by: Actor,
    now: datetime,
) -> ExceptionRequest:
    row = _find(exception_id)
    require(by, Act.DECIDE_EXCEPTION, at=_places_of(row), requested_by_id=row.requested_by_id)
    if row.status != ExceptionStatus.REQUESTED:
        check_exception(ExceptionStatus(row.status), ExceptionStatus.DECLINED)
    check_exception(ExceptionStatus(row.status), wanted)
    _check_revision(row, revision)
    if not comment.strip():
        raise Refused("Say why: the person who asked will read it.")
    if row.lapses_at is not None and row.lapses_at <= now:
        raise Refused("This request has lapsed: nobody decided in time. Ask for it again.")
    return row


def _agreed_workloads(
    row: ExceptionRequest, chosen: Iterable[WorkloadName] | None
) -> tuple[WorkloadName, ...]:
    asked = workloads_of(row.workloads)
    if chosen is None:
        return asked
    agreed = tuple(sorted(set(chosen)))
    if not agreed:
        raise Refused("Agree to at least one workload, or decline.")
    if more := [str(workload) for workload in agreed if workload not in asked]:
        raise Refused(f"Nobody asked for {', '.join(more)}: agree to fewer, never to more.")
    return agreed


def _check_end(row: ExceptionRequest, end: datetime, *, now: datetime) -> None:
    if end > row.ends_at:
        raise Refused("An approval may end it earlier than asked for, never later.")
    if flaws := end_flaws(end, bounds_of(row.variant).longest, now=now):
        raise Refused(flaws[0])


def _take(row: ExceptionRequest, status: ExceptionStatus, **columns: object) -> None:
    if not _swap(row, status, **columns):
        raise Busy("Somebody else has just changed this request. Look again.")


def _swap(row: ExceptionRequest, status: ExceptionStatus, **columns: object) -> bool:
    """Change the status if nobody else did, nor edited it, meanwhile; say whether it worked."""
    columns["status"] = status.value
    rows = ExceptionRequest.objects.filter(
        pk=row.pk, status=row.status, revision=row.revision
    ).update(**columns)
    if rows:
        for name, value in columns.items():
            setattr(row, name, value)
    return bool(rows)
