"""The steps of a rollout, each safe to repeat: check the ground, dry-run, apply, read back, prove."""

from collections.abc import Callable
from dataclasses import replace

from policies.actions import proofs
from policies.actions.collected_policies import policy_fields
from policies.actions.errors import Refused
from policies.actions.exception_planning import check_honoured, plan_exception
from policies.actions.exception_removals import plan_anew
from policies.actions.exception_rows import exception_behind, find_exception
from policies.actions.live import despite_conflicts, digest_of, write_of
from policies.actions.planned_objects import own_annotations
from policies.actions.specs import resource_of
from policies.actions.step_run import Outcome, StaleGround, StepRun
from policies.cluster.errors import EngineDown, NotFound
from policies.cluster.gateway import Manifest, Verb
from policies.cluster.writes import write
from policies.domain.exceptions import EXCEPTION_KIND
from policies.domain.lifecycle import FlipVerb, StepKind
from policies.domain.observed import read_policy
from policies.domain.plans import Plan, PlannedObject, gates_away, what_moved
from policies.models import ObservedPolicy, RolloutStep


def take_step(run: StepRun, step: RolloutStep) -> Outcome:
    """Take one step. Raises StepFailed, StaleGround, ClusterError."""
    return _TAKERS[StepKind(step.kind)](run, step)


def _check(run: StepRun, step: RolloutStep) -> Outcome:
    """Make the plan anew, just before anything is written."""
    try:
        fresh = run.patiently(lambda: _fresh_plan(run))
    except Refused as refusal:
        raise StaleGround((refusal.message, *refusal.details)) from refusal
    moved = what_moved(run.plan, fresh)
    if moved:
        raise StaleGround(moved)
    return Outcome("Nothing has moved since the approval.")


def _fresh_plan(run: StepRun) -> Plan:
    """Raises EngineDown for a gate that has opened because something does not answer this moment."""
    variant = run.rollout.flip.variant
    if run.plan.exemption is not None:
        return _fresh_exception_plan(run)
    fresh = plan_anew(run.gateway, variant, run.plan, now=run.clock())
    away = gates_away(run.plan, fresh)
    if away and not what_moved(run.plan, fresh):
        raise EngineDown(away[0].sentence)
    return fresh


def _fresh_exception_plan(run: StepRun) -> Plan:
    """Make the plan of an exception anew. The gates of an end were answered when it began: it does not wait for them."""
    row = find_exception(exception_behind(run.rollout.flip))
    planned = plan_exception(
        run.gateway, row, run.plan.verb, exemption=run.plan.exemption, now=run.clock()
    )
    check_honoured(planned)
    return replace(planned.plan, gates=run.plan.gates)


def _dry_run(run: StepRun, step: RolloutStep) -> Outcome:
    return _settle(run, step, dry_run=True)


def _apply(run: StepRun, step: RolloutStep) -> Outcome:
    """Write one object, once: what is as wanted already is not written again."""
    return _settle(run, step, dry_run=False)


def _settle(run: StepRun, step: RolloutStep, *, dry_run: bool) -> Outcome:
    planned = run.planned(step)

    def attempt() -> Outcome:
        return _write_once(run, planned, dry_run=dry_run)

    return despite_conflicts(lambda: run.patiently(attempt))


def _write_once(run: StepRun, planned: PlannedObject, *, dry_run: bool) -> Outcome:
    live = _read(run, planned)
    digest = digest_of(live)
    if digest == planned.after_digest and not _is_to_be_labelled(planned, live):
        return Outcome("It is as wanted already; nothing was written.")
    _check_before(run, planned, digest)
    change = write_of(
        planned.kind,
        planned.api_version,
        planned.name,
        planned.wanted,
        live,
        namespace=planned.namespace,
    )
    run.renew()
    answer = write(run.gateway, change, decision=_decision(run), dry_run=dry_run)
    done = "The server accepts it." if dry_run else f"{change.verb.value.capitalize()}d."
    return Outcome(done, "\n".join(answer.warnings))


def _is_to_be_labelled(planned: PlannedObject, live: Manifest | None) -> bool:
    """Say whether the object, as it is, still has to be told where it comes from."""
    if planned.verb != Verb.REPLACE or live is None or planned.after is None:
        return False
    return own_annotations(live) != own_annotations(planned.after)


def _check_before(run: StepRun, planned: PlannedObject, digest: str) -> None:
    # A rollback goes ahead of whatever was under way, which may have written since the plan was made.
    if digest != planned.before_digest and run.plan.verb is not FlipVerb.ROLLBACK:
        raise StaleGround((f"{planned.kind} {planned.place} on the cluster was changed.",))


def _read_back(run: StepRun, step: RolloutStep) -> Outcome:
    """Read the object again and keep the observed copy in line with it."""
    planned = run.planned(step)
    live = run.patiently(lambda: _read(run, planned))
    if digest_of(live) != planned.after_digest:
        raise StaleGround(
            (f"{planned.kind} {planned.place} is not what was written: somebody changed it.",)
        )
    if planned.kind != EXCEPTION_KIND:
        _keep_observed(run, planned, live)
    return Outcome(
        "The server holds exactly what was approved." if live is not None else "It is gone."
    )


def _keep_observed(run: StepRun, planned: PlannedObject, live: Manifest | None) -> None:
    cluster_id = run.rollout.variant.cluster_id
    if live is None:
        ObservedPolicy.objects.filter(
            cluster_id=cluster_id, kind=planned.kind, name=planned.name
        ).delete()
        return
    ObservedPolicy.objects.update_or_create(
        cluster_id=cluster_id,
        kind=planned.kind,
        name=planned.name,
        defaults=policy_fields(read_policy(live), live),
    )


def _read(run: StepRun, planned: PlannedObject) -> Manifest | None:
    try:
        return run.gateway.get(
            resource_of(planned.kind, planned.api_version),
            planned.name,
            namespace=planned.namespace,
        )
    except NotFound:
        return None


def _decision(run: StepRun) -> str:
    return str(run.rollout.flip_id)


_TAKERS: dict[StepKind, Callable[[StepRun, RolloutStep], Outcome]] = {
    StepKind.CHECK: _check,
    StepKind.DRY_RUN: _dry_run,
    StepKind.APPLY: _apply,
    StepKind.READ_BACK: _read_back,
    StepKind.PROVE_REFUSED: proofs.prove_refused,
    StepKind.PROVE_ADMITTED: proofs.prove_admitted,
    StepKind.PROVE_NEIGHBOUR: proofs.prove_neighbour,
    StepKind.PROVE_WARNED: proofs.prove_warned,
    StepKind.PROVE_EXEMPT: proofs.prove_exempt,
    StepKind.PROVE_NOT_EXEMPT: proofs.prove_not_exempt,
    StepKind.PROVE_JUDGED: proofs.prove_judged,
}
