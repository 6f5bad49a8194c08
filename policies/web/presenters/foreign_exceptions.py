"""Exceptions that secprof did not make, in words."""

from dataclasses import dataclass
from datetime import datetime

from policies.queries.foreign_exceptions import ForeignPage, ForeignRow
from policies.web.words import listed


@dataclass(frozen=True, slots=True)
class ShownForeign:
    """One exception of somebody else's."""

    id: int
    cluster: str
    namespace: str
    name: str
    kind: str
    mark: str
    notes: tuple[str, ...]
    policies: str
    expires_at: datetime | None


def shown_foreign(row: ForeignRow) -> ShownForeign:
    """Word one of them."""
    return ShownForeign(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        name=row.name,
        kind=f"PolicyException of {row.group}",
        mark="everything" if row.exempts_everything else "narrowed",
        notes=tuple(_notes(row)),
        policies=listed(row.policies) or "no policy by name",
        expires_at=row.expires_at,
    )


def _notes(row: ForeignRow) -> list[str]:
    found = []
    if row.exempts_everything:
        found.append("It has no conditions: it counts for every object in every namespace.")
    elif row.reaches is None:
        found.append("How far it reaches cannot be said: perhaps everywhere.")
    else:
        found.append(f"Reaches {listed(row.reaches) or 'no namespace'}.")
    if row.lies_elsewhere:
        found.append(f"Lies in {row.namespace}, outside the agreed namespace.")
    return found


def removal(page: ForeignPage) -> str:
    """Write the command with which whoever made it takes it away."""
    row = page.row
    return f"kubectl delete policyexceptions.{row.group} {row.name} --namespace {row.namespace}"
