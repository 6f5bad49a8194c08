"""From a wish to the columns of an exception's row, checked; and from a row to what the trail tells of it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from policies.actions.errors import Refused
from policies.actions.exception_support import address_of
from policies.domain.controls import Control, in_order
from policies.domain.exceptions import InvalidExemption, exception_kind, exempt_pods
from policies.domain.exemptions import ExceptionWish, Exemption, WorkloadName, names_of
from policies.domain.library import InvalidVariant, Target, VariantSpec
from policies.domain.lifecycle import ExceptionStatus
from policies.domain.objects import WorkloadKind
from policies.domain.wishes import draft_problems, end_problems, problems_of, workload_problems
from policies.models import ExceptionRequest, ObservedWorkload, Variant
from policies.queries.specs import current_revisions, spec_of, written_spec


def wished_variant(wish: ExceptionWish) -> Variant:
    """Load the variant of a wish, with its cluster. Raises Refused."""
    variant = Variant.objects.select_related("cluster").filter(pk=wish.variant_id).first()
    if variant is None:
        raise Refused("There is no such policy.")
    return variant


def check_wish(wish: ExceptionWish, variant: Variant, *, now: datetime) -> None:
    """Raise Refused, with everything that is not right, unless this may be asked for."""
    written = written_spec(variant, current_revisions([variant]).get(variant.pk))
    most = timedelta(days=settings.SECPROF_EXCEPTION_MAX_DAYS)
    refuse(draft_problems(wish))
    refuse(
        problems_of(
            wish,
            target=Target(variant.target),
            controls=written.controls,
            now=now,
            most=most,
        )
    )

    _check_provable(wish, written, now=now)


def _check_provable(wish: ExceptionWish, spec: VariantSpec, *, now: datetime) -> None:
    """Raise Refused when no pod could ever prove what is wished for, however long it lasts."""
    exemption = Exemption(
        key="",
        namespace=wish.namespace,
        workloads=wish.workloads,
        controls=in_order(wish.controls),
        ends_at=now,
        approved_by="",
        reason=wish.reason,
    )
    try:
        for workload in wish.workloads:
            exempt_pods(spec, exemption, workload)
    except (InvalidExemption, InvalidVariant) as error:
        raise Refused(str(error)) from error


def check_adopted(adopted_from: str, variant: Variant) -> None:
    """Raise Refused unless this names an exception that the policies of this variant heed."""
    group, _, _ = address_of(adopted_from)
    if group is not exception_kind(spec_of(variant)):
        raise Refused(f"{variant.name}, a {variant.target}, heeds no exception of {group}.")


def refuse(problems: tuple[str, ...]) -> None:
    """Raise Refused when there are problems: the first in its message, the others as details."""
    if problems:
        raise Refused(problems[0], problems[1:])


def check_same_place(row: ExceptionRequest, wish: ExceptionWish) -> None:
    """Raise Refused when a wish is about something else than the row."""
    if (row.variant_id, row.namespace) != (wish.variant_id, wish.namespace):
        raise Refused("An exception stays with its policy and its namespace: ask for another one.")


def columns_of(wish: ExceptionWish) -> dict[str, Any]:
    """Write a wish as columns."""
    return {
        "workloads": [each.to_json() for each in sorted(set(wish.workloads))],
        "controls": [each.value for each in Control if each.value in wish.controls],
        "reason": wish.reason.strip(),
        "compensating_control": wish.compensating_control.strip(),
        "ticket": wish.ticket.strip(),
        "ends_at": wish.ends_at,
    }


def wished_row(wish: ExceptionWish, person_id: int) -> ExceptionRequest:
    """Make a row of a wish that is not to be stored: its key is all zeros."""
    return ExceptionRequest(
        pk=UUID(int=0),
        variant=wished_variant(wish),
        namespace=wish.namespace,
        status=ExceptionStatus.DRAFT.value,
        requested_by_id=person_id,
        **columns_of(wish),
    )


def create_row(
    variant: Variant,
    wish: ExceptionWish,
    status: ExceptionStatus,
    *,
    person_id: int,
    now: datetime,
    **columns: Any,
) -> ExceptionRequest:
    """Write a new row in this status."""
    row = ExceptionRequest(
        variant=variant,
        namespace=wish.namespace,
        status=status.value,
        requested_by_id=person_id,
        created_at=now,
        **columns_of(wish),
        **columns,
    )
    row.save(force_insert=True)
    return row


def lapses_at(now: datetime) -> datetime:
    """Say until when a request waits for a decision."""
    return now + timedelta(seconds=settings.SECPROF_APPROVAL_LAPSES_SECONDS)


def told(row: ExceptionRequest) -> dict[str, Any]:
    """Say in the trail what was asked for, or agreed to."""
    ends_at = row.approved_ends_at or row.ends_at
    return {
        "revision": row.revision,
        "workloads": row.approved_workloads or row.workloads,
        "not_there": [str(each) for each in not_there(row.variant, row.namespace, row.workloads)],
        "controls": row.controls,
        "ends_at": ends_at.isoformat() if ends_at else "",
        "compensating_control": row.compensating_control,
        "ticket": row.ticket,
        "adopted_from": row.adopted_from,
    }


def not_there(
    variant: Variant, namespace: str, workloads: list[dict[str, str]]
) -> tuple[WorkloadName, ...]:
    """Name the workloads that the last collection did not find: what is refused may never have been there."""
    there = workloads_there(variant, namespace)
    return tuple(each for each in names_of(workloads) if each not in there)


def workloads_there(variant: Variant, namespace: str) -> frozenset[WorkloadName]:
    """Name the top-level workloads that the last collection found."""
    seen = ObservedWorkload.objects.filter(cluster_id=variant.cluster_id, namespace=namespace)
    tops = seen.values_list("top_kind", "top_name").distinct()
    return frozenset(
        WorkloadName(WorkloadKind(kind), name) for kind, name in tops if kind in set(WorkloadKind)
    )


def agreed_workloads(
    row: ExceptionRequest, chosen: Collection[WorkloadName] | None
) -> tuple[WorkloadName, ...]:
    """Give the workloads that are agreed to: all, or fewer. Raises Refused for one that nobody asked for."""
    asked = names_of(row.workloads)
    if chosen is None:
        return asked
    agreed = tuple(sorted(chosen))
    refuse(workload_problems(agreed))
    foreign = sorted(set(agreed) - set(asked))
    if foreign:
        raise Refused(f"Nobody asked for {', '.join(map(str, foreign))}: agree to what was asked.")
    return agreed


def agreed_end(row: ExceptionRequest, chosen: datetime | None, *, now: datetime) -> datetime:
    """Give the end that is agreed to. Raises Refused for one that nobody asked for."""
    most = timedelta(days=settings.SECPROF_EXCEPTION_MAX_DAYS)
    end = chosen or row.ends_at
    refuse(end_problems(end, now=now, most=most))
    if end is None or row.ends_at is None or end > row.ends_at:
        raise Refused("Agree to the end that was asked for, or to an earlier one.")
    return end
