"""Turn an approved flip into a revision and a rollout with all its steps, in the transaction of the approval."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Max

from policies import dispatch
from policies.actions.exception_outcomes import settle_exception
from policies.domain.authority import Actor
from policies.domain.exemptions import Exemption
from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    FlipStatus,
    FlipVerb,
    RolloutStatus,
    StepKind,
    StepStatus,
)
from policies.domain.plans import Plan
from policies.models import DesiredRevision, Flip, Rollout, RolloutStep, VariantRevision
from policies.queries.specs import current_revisions


def start_rollout(flip: Flip, *, now: datetime) -> Rollout:
    """Write revision, rollout and steps, and send the rollout to a worker on commit."""
    plan = Plan.from_json(flip.plan)
    current = current_revisions([flip.variant]).get(flip.variant_id)
    last = DesiredRevision.objects.filter(variant_id=flip.variant_id).aggregate(n=Max("number"))[
        "n"
    ]
    wanted = _objects_wanted(plan, current)
    revision = DesiredRevision.objects.create(
        variant_id=flip.variant_id,
        number=(last or 0) + 1,
        compiled_from=VariantRevision.objects.get(variant_id=flip.variant_id, number=plan.revision),
        enforced=list(plan.enforced_after),
        objects_wanted=wanted,
        digests={each["name"]: each["digest"] for each in wanted},
        exempted=_exempted(flip, plan, current),
        digest=plan.digest,
        created_at=now,
    )
    rollout = Rollout.objects.create(
        flip=flip,
        variant_id=flip.variant_id,
        revision=revision,
        status=RolloutStatus.QUEUED.value,
        created_at=now,
    )
    RolloutStep.objects.bulk_create(
        RolloutStep(
            rollout=rollout,
            position=position,
            kind=kind.value,
            object_kind=object_kind,
            object_name=object_name,
            namespace=namespace,
            status=StepStatus.PENDING.value,
        )
        for position, (kind, object_kind, object_name, namespace) in enumerate(steps_of(plan))
    )
    dispatch.enqueue(dispatch.RUN_ROLLOUT, rollout_id=str(rollout.pk))
    return rollout


def _objects_wanted(plan: Plan, current: DesiredRevision | None) -> list[dict[str, Any]]:
    """Give the policies that are wanted: an exception that has an object of its own leaves them as they are."""
    if plan.is_beside_policies and current is not None:
        found: list[dict[str, Any]] = current.objects_wanted
        return found
    return [
        {
            "kind": o.kind,
            "name": o.name,
            "role": o.role,
            "manifest": o.wanted,
            "digest": o.after_digest,
        }
        for o in plan.objects
        if o.wanted is not None
    ]


def _exempted(flip: Flip, plan: Plan, current: DesiredRevision | None) -> list[str]:
    found = set(current.exempted) if current else set()
    if plan.verb is FlipVerb.EXEMPT:
        found.add(str(flip.exception_id))
    if plan.verb is FlipVerb.END_EXEMPTION:
        found.discard(str(flip.exception_id))
    return sorted(found)


def steps_of(plan: Plan) -> Iterator[tuple[StepKind, str, str, str]]:
    """List the steps of a plan as (kind, object kind, object name, namespace), in their order."""
    is_rollback = plan.verb is FlipVerb.ROLLBACK
    if not is_rollback:
        yield StepKind.CHECK, "", "", ""
    # A rollback looks after every object: what it goes ahead of may have written since it was planned. So does a plan
    # that changes nothing: it brings what was written last in line with what is there.
    written = plan.objects if is_rollback or not plan.changes else plan.changes
    for kind in (StepKind.DRY_RUN, StepKind.APPLY):
        for planned in written:
            yield kind, planned.kind, planned.place, ""
    for planned in plan.objects:
        yield StepKind.READ_BACK, planned.kind, planned.place, ""
    if plan.exemption is not None:
        yield from _proofs_of(plan.verb, plan.exemption)
        return
    if plan.verb in {FlipVerb.INSTALL, FlipVerb.REMOVE_EXCEPTION}:
        yield StepKind.PROVE_WARNED, "", "", plan.audit_namespace
    asked = () if plan.verb is FlipVerb.REMOVE_EXCEPTION else plan.namespaces
    for namespace in (*asked, *plan.proof_namespaces):
        if is_rollback:
            yield StepKind.PROVE_WARNED, "", "", namespace
        else:
            yield StepKind.PROVE_REFUSED, "", "", namespace
            yield StepKind.PROVE_ADMITTED, "", "", namespace
    if plan.verb is FlipVerb.ENFORCE:
        yield StepKind.PROVE_NEIGHBOUR, "", "", plan.audit_namespace


def _proofs_of(verb: FlipVerb, exemption: Exemption) -> Iterator[tuple[StepKind, str, str, str]]:
    proof = StepKind.PROVE_EXEMPT if verb is FlipVerb.EXEMPT else StepKind.PROVE_JUDGED
    for workload in exemption.workloads:
        for kind in (proof, StepKind.PROVE_NOT_EXEMPT):
            yield kind, workload.kind.value, workload.name, exemption.namespace


def supersede_active_rollout(variant_id: int, *, by: Actor, now: datetime) -> tuple[Flip, ...]:
    """Stop a rollout that is under way, so that a rollback can go ahead of it; a rollback itself is not stopped.

    Returns the flips that were stopped; the caller records them.
    """
    stopped = []
    active = Rollout.objects.filter(
        variant_id=variant_id, status__in=[s.value for s in ACTIVE_ROLLOUT_STATUSES]
    ).exclude(flip__verb=FlipVerb.ROLLBACK.value)
    for rollout in active.select_related("flip__variant__cluster"):
        superseded = active.filter(pk=rollout.pk).update(
            status=RolloutStatus.SUPERSEDED.value,
            finished_at=now,
            message=f"{by.name} rolled back while it was under way.",
        )
        if not superseded:
            continue
        Flip.objects.filter(
            pk=rollout.flip_id, status__in=[FlipStatus.APPROVED.value, FlipStatus.ROLLING.value]
        ).update(status=FlipStatus.SUPERSEDED.value, closed_at=now)
        settle_exception(rollout.flip, RolloutStatus.SUPERSEDED, "", now=now)
        stopped.append(rollout.flip)
    return tuple(stopped)
