"""From the row of an exception request to what it exempts: as agreed to, or before that as asked for."""

from collections.abc import Iterable, Mapping
from typing import Any

from policies.domain.controls import Control, in_order
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.library import Target, VariantSpec
from policies.domain.lifecycle import ExceptionStatus
from policies.models import ExceptionRequest, Variant


def controls_of(variant: Variant) -> tuple[Control, ...]:
    """Name the controls that a variant demands now, in order."""
    return in_order(variant.controls)


def workloads_of(stored: Iterable[Mapping[str, Any]]) -> tuple[WorkloadName, ...]:
    """Read stored names of workloads, in their order."""
    return tuple(WorkloadName.from_json(each) for each in stored)


def exemption_of(row: ExceptionRequest) -> Exemption:
    """Read what a request exempts; whoever decided on it must come with it (`select_related("decided_by")`)."""
    return Exemption(
        key=row.key,
        namespace=row.namespace,
        workloads=workloads_of(row.approved_workloads or row.workloads),
        controls=in_order(row.controls),
        ends_at=row.approved_ends_at or row.ends_at,
        approved_by=row.decided_by.get_username() if row.decided_by else "",
        reason=row.reason,
        ticket=row.ticket,
    )


def exemptions_in_force(
    variant: Variant, *, also: ExceptionRequest | None = None, but: ExceptionRequest | None = None
) -> tuple[Exemption, ...]:
    """Give what is exempt from a variant, by key: what is in force, with or without one that is about to change."""
    rows = ExceptionRequest.objects.filter(
        variant=variant, status=ExceptionStatus.IN_FORCE
    ).select_related("decided_by")
    chosen = {row.key: exemption_of(row) for row in rows}
    if also is not None:
        chosen[also.key] = exemption_of(also)
    if but is not None:
        chosen.pop(but.key, None)
    return tuple(chosen[key] for key in sorted(chosen))


def carries_exemptions(spec: VariantSpec) -> bool:
    """Say whether the variant's policies themselves say who is exempt: others have objects for it."""
    return spec.target is Target.NATIVE
