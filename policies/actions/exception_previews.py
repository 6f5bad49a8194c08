"""Look at an exception before it is asked for or agreed to: its plan, whether it would count, and whom it covers."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from policies.actions.connections import connected
from policies.actions.errors import Refused
from policies.actions.exception_planning import ExceptionPlan, plan_exception
from policies.actions.exception_rows import exception_places, find_exception
from policies.actions.exception_wishes import (
    agreed_end,
    agreed_workloads,
    check_wish,
    wished_row,
    workloads_there,
)
from policies.domain.authority import Act, Actor, require
from policies.domain.exceptions import also_covers
from policies.domain.exemptions import ExceptionWish, Exemption, WorkloadName
from policies.domain.lifecycle import ExceptionStatus, FlipVerb
from policies.domain.plans import Plan
from policies.models import ExceptionRequest
from policies.queries.exemption_rows import exemption_of

WEB_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ExceptionPreview:
    """What an exception would be, and whom it would cover, as things are now."""

    plan: Plan
    honoured: bool | None
    """Whether the engine would heed it; None when only the proof can tell."""
    support: str
    """Which settings decide that, and which to change; empty for a native policy."""
    not_there: tuple[WorkloadName, ...]
    """Asked for, and not found by the last collection."""
    also_covers: tuple[WorkloadName, ...]
    """Not asked for, and covered all the same."""


def preview_exception(
    *,
    wish: ExceptionWish | None = None,
    exception_id: UUID | None = None,
    workloads: Collection[WorkloadName] | None = None,
    ends_at: datetime | None = None,
    by: Actor,
    now: datetime,
) -> ExceptionPreview:
    """Plan a wish, or an exception that was asked for, in full or as it would be agreed to; write nothing.

    Raises Refused with everything that is not right, ClusterError.
    """
    if wish is not None:
        row = wished_row(wish, by.person_id)
    elif exception_id is not None:
        row = find_exception(exception_id)
    else:
        raise Refused("Say what to look at.")
    require(by, Act.VIEW, at=exception_places(row))
    if wish is not None:
        check_wish(wish, row.variant, now=now)
    elif row.status == ExceptionStatus.DRAFT:
        raise Refused("A draft has no plan yet: look at what is typed.")
    exemption = exemption_of(row)
    if wish is None and row.status == ExceptionStatus.REQUESTED:
        exemption = replace(
            exemption,
            workloads=agreed_workloads(row, workloads),
            ends_at=agreed_end(row, ends_at, now=now),
        )
    planned = plan_to_exempt(row, exemption, now=now)
    there = workloads_there(row.variant, row.namespace)
    return ExceptionPreview(
        plan=planned.plan,
        honoured=planned.honoured,
        support=planned.support,
        not_there=tuple(each for each in exemption.workloads if each not in there),
        also_covers=also_covers(exemption, there),
    )


def plan_to_exempt(row: ExceptionRequest, exemption: Exemption, *, now: datetime) -> ExceptionPlan:
    """Plan to put this into force, while a person waits. Raises Refused, ClusterError."""
    with connected(row.variant.cluster, patience_seconds=WEB_PATIENCE_SECONDS) as gateway:
        return plan_exception(gateway, row, FlipVerb.EXEMPT, exemption=exemption, now=now)
