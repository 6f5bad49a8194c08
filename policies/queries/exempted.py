"""From the rows of exceptions to what they exempt."""

from collections.abc import Iterable

from policies.domain.controls import in_order
from policies.domain.exemptions import Exemption, names_of
from policies.models import ExceptionRequest


def exemption_of(row: ExceptionRequest) -> Exemption:
    """Give what was agreed to; before a decision, what was asked for. `row` comes with its people, and has an end."""
    ends_at = row.approved_ends_at or row.ends_at
    if ends_at is None:
        raise ValueError(f"{row} has no end.")
    return Exemption(
        key=row.key,
        namespace=row.namespace,
        workloads=names_of(row.approved_workloads or row.workloads),
        controls=in_order(row.controls),
        ends_at=ends_at,
        approved_by=row.decided_by.get_username() if row.decided_by else "",
        reason=row.reason,
        ticket=row.ticket,
    )


def exemptions_of(ids: Iterable[str]) -> tuple[Exemption, ...]:
    """Give what the exceptions with these ids exempt, in the order of their keys."""
    rows = ExceptionRequest.objects.filter(pk__in=list(ids)).select_related("decided_by")
    return tuple(sorted((exemption_of(row) for row in rows), key=lambda each: each.key))
