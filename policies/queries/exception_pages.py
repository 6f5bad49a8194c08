"""One exception as its page shows it, and what there is to ask for in a namespace: with the evidence of this moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from policies.domain.authority import Place
from policies.domain.exemptions import WorkloadName
from policies.domain.objects import WorkloadKind
from policies.models import AuditEvent, ExceptionRequest, ObservedNamespace, Stage, Variant
from policies.queries.exceptions import (
    ExceptionRow,
    exception_row,
    exempted,
    workloads_of,
)
from policies.queries.places import places_of
from policies.queries.reviews import ReviewedWorkload, reviewed_workloads
from policies.queries.trail import SMALL_VERBS
from policies.queries.trail_chain import read_rows
from policies.queries.trail_events import Event, event_of

HISTORY_SHOWN = 100
NAMEABLE = frozenset(WorkloadKind) - {WorkloadKind.POD_TEMPLATE}
"""What an exception can be for: a PodTemplate makes no pods by itself, so nothing could be proven for it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one workload at this moment, or that it is not there."""

    workload: WorkloadName
    is_agreed: bool
    reviewed: ReviewedWorkload | None

    @property
    def need(self) -> str:
        """Whether it needs the exception: `failing`, `passing`, `gone` or `unknown`."""
        if self.reviewed is None or self.reviewed.posture.outcome == "none":
            return "gone"
        if self.reviewed.would_fail:
            return "failing"
        return "passing" if self.reviewed.posture.outcome == "pass" else "unknown"


@dataclass(frozen=True, slots=True)
class Askable:
    """What one namespace has that may be exempted from a variant."""

    place: Place
    enforced_at: datetime | None
    """When it was proven to be enforced; None in Audit."""
    workloads: tuple[tuple[WorkloadName, ReviewedWorkload], ...]
    """The failing ones first."""
    exempt: dict[WorkloadName, ExceptionRow]


@dataclass(frozen=True, slots=True)
class ExceptionPage:
    """One exception, with everything around it."""

    row: ExceptionRow
    variant_id: int
    cluster_id: int
    revision: int
    place: Place
    asked: tuple[WorkloadName, ...]
    agreed: tuple[WorkloadName, ...]
    controls: tuple[str, ...]
    reason: str
    compensating_control: str
    ticket: str
    asked_ends_at: datetime | None
    agreed_ends_at: datetime | None
    lapses_at: datetime | None
    decided_at: datetime | None
    comment: str
    in_force_at: datetime | None
    ending_at: datetime | None
    ending_by: str
    ending_reason: str
    closed_at: datetime | None
    closing_message: str
    adopted_from: str
    evidence: tuple[Evidence, ...]
    here: Askable
    """What its namespace has now."""
    history: tuple[Event, ...]


def exception_page(row: ExceptionRequest) -> ExceptionPage:
    """Load one exception (with variant, cluster and people), in a fixed number of queries."""
    variant = row.variant
    agreed = workloads_of(row.approved_workloads)
    place = places_of(variant.cluster, [row.namespace])[0]
    reviewed = reviewed_workloads(variant, row.namespace)
    return ExceptionPage(
        row=exception_row(row),
        variant_id=variant.pk,
        cluster_id=variant.cluster_id,
        revision=row.revision,
        place=place,
        asked=workloads_of(row.workloads),
        agreed=agreed,
        controls=tuple(row.controls),
        reason=row.reason,
        compensating_control=row.compensating_control,
        ticket=row.ticket,
        asked_ends_at=row.ends_at,
        agreed_ends_at=row.approved_ends_at,
        lapses_at=row.lapses_at,
        decided_at=row.decided_at,
        comment=row.comment,
        in_force_at=row.in_force_at,
        ending_at=row.ending_at,
        ending_by=row.ending_by.get_username() if row.ending_by else "",
        ending_reason=row.ending_reason,
        closed_at=row.closed_at,
        closing_message=row.closing_message,
        adopted_from=row.adopted_from,
        evidence=_evidence(reviewed, workloads_of(row.workloads), agreed),
        here=_askable(variant, place, reviewed),
        history=_history(row),
    )


def askable(variant: Variant, space: ObservedNamespace) -> Askable:
    """Load what may be exempted from a variant in a namespace, in a fixed number of queries."""
    place = Place(variant.cluster.name, space.name, space.labels)
    return _askable(variant, place, reviewed_workloads(variant, space.name))


def _askable(variant: Variant, place: Place, reviewed: Iterable[ReviewedWorkload]) -> Askable:
    found = [
        (WorkloadName(WorkloadKind(w.kind), w.name), w)
        for w in reviewed
        if w.kind in NAMEABLE and w.posture.outcome not in {"none", "inapplicable"}
    ]
    return Askable(
        place=place,
        enforced_at=_enforced_at(variant, place.namespace),
        workloads=tuple(sorted(found, key=lambda pair: (not pair[1].would_fail, pair[0]))),
        exempt=exempted(variant, place.namespace),
    )


def _enforced_at(variant: Variant, namespace: str) -> datetime | None:
    stage = Stage.objects.filter(
        variant=variant, namespace=namespace, value=Stage.Value.ENFORCE
    ).first()
    return stage.proven_at if stage else None


def _evidence(
    reviewed: Iterable[ReviewedWorkload],
    asked: Iterable[WorkloadName],
    agreed: tuple[WorkloadName, ...],
) -> tuple[Evidence, ...]:
    found = {(w.kind, w.name): w for w in reviewed}
    return tuple(
        Evidence(name, name in agreed, found.get((name.kind.value, name.name))) for name in asked
    )


def _history(row: ExceptionRequest) -> tuple[Event, ...]:
    events = AuditEvent.objects.filter(exception_id=str(row.pk)).exclude(verb__in=SMALL_VERBS)
    return tuple(event_of(event) for event in read_rows(events.order_by("pk")[:HISTORY_SHOWN]))
