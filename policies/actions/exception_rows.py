"""What every action on an exception does with its row: find it, say where it is, change it if nobody else did."""

from datetime import datetime
from typing import Any
from uuid import UUID

from policies.actions.errors import Busy, Refused
from policies.domain.authority import Place
from policies.domain.lifecycle import ExceptionStatus, check_exception
from policies.models import ExceptionRequest, Flip
from policies.queries.places import places_of


def find_exception(exception_id: UUID) -> ExceptionRequest:
    """Load one exception with its variant, cluster and people. Raises Refused when there is none."""
    row = (
        ExceptionRequest.objects.select_related(
            "variant__cluster", "requested_by", "decided_by", "ending_by"
        )
        .filter(pk=exception_id)
        .first()
    )
    if row is None:
        raise Refused("There is no such exception.")
    return row


def exception_behind(flip: Flip) -> UUID:
    """Name the exception that a flip carries out. Raises ValueError for any other flip."""
    if flip.exception_id is None:
        raise ValueError(f"No exception stands behind the {flip}.")
    return flip.exception_id


def exception_places(row: ExceptionRequest) -> tuple[Place, ...]:
    """Say where an exception (with variant and cluster) exempts."""
    return places_of(row.variant.cluster, [row.namespace])


def check_revision(row: ExceptionRequest, revision: int) -> None:
    """Raise Refused unless this is the revision that was looked at."""
    if row.revision != revision:
        raise Refused(
            f"It was edited meanwhile: this is revision {row.revision}, you looked at {revision}. Look again."
        )


def move(row: ExceptionRequest, status: ExceptionStatus, **columns: Any) -> None:
    """Change the status as the table of transitions allows, if nobody else has changed the row since it was read.

    Raises WrongState, Busy.
    """
    check_exception(ExceptionStatus(row.status), status)
    if not change(row, status=status.value, **columns):
        raise Busy("Somebody else has just decided on this exception. Look again.")


def change(row: ExceptionRequest, **columns: Any) -> bool:
    """Write some columns if nobody else has changed status or revision meanwhile; say whether it worked."""
    unchanged = ExceptionRequest.objects.filter(pk=row.pk, status=row.status, revision=row.revision)
    if not unchanged.update(**columns):
        return False
    for name, value in columns.items():
        setattr(row, name, value)
    return True


def is_over(row: ExceptionRequest, now: datetime) -> bool:
    """Say whether the end that was agreed to, or asked for, has come."""
    ends_at = row.approved_ends_at or row.ends_at
    return ends_at is not None and ends_at <= now
