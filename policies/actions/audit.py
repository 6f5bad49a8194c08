"""Write one row of the audit trail, in the caller's transaction, at the end of the chain.

Whoever appends holds the trail's head until its transaction ends, so that rows have an order and no gap. To wait for
nobody while others wait for the head, an action records last: after it has locked and changed everything else
(`docs/decisions/0012-trail.md`; `tests/architecture/test_recording.py` holds that).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from policies.domain.authority import Actor
from policies.domain.trail import TrailRecord, plain, plain_text, sealed
from policies.models import AuditEvent, Cluster, ExceptionRequest, Flip, TrailHead
from policies.queries.trail_chain import row_of


class TrailClosed(Exception):
    """The trail takes no row: its head is gone, or is not its end any more. Somebody has been at the database."""


def record(
    verb: str,
    *,
    by: Actor,
    now: datetime,
    cluster: Cluster | None = None,
    variant: str = "",
    namespaces: Sequence[str] = (),
    flip: Flip | None = None,
    exception: ExceptionRequest | None = None,
    outcome: str = "ok",
    message: str = "",
    details: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Append who did what, when, to what, and how it ended.

    A flip brings its own names, its digest, and the exception that it carries out; an exception brings its own names.
    Raises TrailClosed, and the caller's transaction fails with it.
    """
    if exception is not None:
        cluster = exception.variant.cluster
        variant = exception.variant.name
        namespaces = [exception.namespace]
    if flip is not None:
        cluster = flip.variant.cluster
        variant = flip.variant.name
        namespaces = flip.namespaces
    return _append(
        TrailRecord(
            sequence=0,
            at=now,
            actor=plain_text(by.name),
            verb=plain_text(verb),
            cluster=cluster.name if cluster else "",
            variant=plain_text(variant),
            namespaces=tuple(plain_text(namespace) for namespace in namespaces),
            flip_id=str(flip.id) if flip else "",
            exception_id=_exception_id(flip, exception),
            plan_digest=flip.plan_digest if flip else "",
            outcome=plain_text(outcome),
            message=plain_text(message),
            details=plain({**({"asks": flip.verb} if flip else {}), **(details or {})}),
            previous_hash="",
        )
    )


def _exception_id(flip: Flip | None, exception: ExceptionRequest | None) -> str:
    found = exception.pk if exception else flip.exception_id if flip else None
    return str(found) if found else ""


def _append(unplaced: TrailRecord) -> AuditEvent:
    """Give the row its place and its hash. SQLite serialises writers by itself; PostgreSQL by the head's lock."""
    with transaction.atomic(savepoint=False):
        head = TrailHead.objects.select_for_update().first()
        if head is None:
            raise TrailClosed("The audit trail has lost its head; run `manage.py verify_trail`.")
        placed = replace(unplaced, sequence=head.sequence + 1, previous_hash=head.hash)
        event = row_of(sealed(placed))
        try:
            event.save(force_insert=True)
        except IntegrityError as error:
            # Not the caller's to explain as somebody else's row being there already.
            raise TrailClosed(
                "The audit trail takes no row at its end; run `manage.py verify_trail`."
            ) from error
    return event
