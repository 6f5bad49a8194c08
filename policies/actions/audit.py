"""Write one row of the audit trail, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from policies.domain.authority import Actor
from policies.models import AuditEvent, Cluster, ExceptionRequest, Flip


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
    """
    if exception is not None:
        cluster = exception.variant.cluster
        variant = exception.variant.name
        namespaces = [exception.namespace]
    if flip is not None:
        cluster = flip.variant.cluster
        variant = flip.variant.name
        namespaces = flip.namespaces
    return AuditEvent.objects.create(
        at=now,
        actor=by.name,
        verb=verb,
        cluster=cluster.name if cluster else "",
        variant=variant,
        namespaces=list(namespaces),
        flip_id=str(flip.id) if flip else "",
        exception_id=_exception_id(flip, exception),
        plan_digest=flip.plan_digest if flip else "",
        outcome=outcome,
        message=message,
        details={**({"asks": flip.verb} if flip else {}), **(details or {})},
    )


def _exception_id(flip: Flip | None, exception: ExceptionRequest | None) -> str:
    found = exception.pk if exception else flip.exception_id if flip else None
    return str(found) if found else ""
