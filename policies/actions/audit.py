"""Write one row of the audit trail, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from policies.domain.authority import Actor
from policies.models import AuditEvent, Cluster, Flip


def record(
    verb: str,
    *,
    by: Actor,
    now: datetime,
    cluster: Cluster | None = None,
    variant: str = "",
    namespaces: Sequence[str] = (),
    flip: Flip | None = None,
    outcome: str = "ok",
    message: str = "",
    details: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Append who did what, when, to what, and how it ended; a flip brings its own names and digest."""
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
        plan_digest=flip.plan_digest if flip else "",
        outcome=outcome,
        message=message,
        details={**({"asks": flip.verb} if flip else {}), **(details or {})},
    )
