"""From the rows of exceptions to what they exempt."""

from collections.abc import Iterable
from dataclasses import replace

from policies.domain.controls import in_order
from policies.domain.exemptions import Exemption, names_of
from policies.domain.library import Target, VariantSpec
from policies.models import DesiredRevision, ExceptionRequest, Variant, VariantRevision
from policies.queries.specs import spec_of_revision


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


def exempting_spec(
    variant: Variant, wish: VariantRevision, current: DesiredRevision | None
) -> VariantSpec:
    """Read what was wanted at one revision, with whom the cluster exempts by now where the policy itself says so."""
    spec = spec_of_revision(variant, wish)
    if spec.target is not Target.NATIVE or current is None or not current.exempted:
        return spec
    return replace(spec, exemptions=exemptions_of(current.exempted))
