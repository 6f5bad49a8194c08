"""The steps of a rollout, each safe to repeat: check the ground, dry-run, apply, read back, prove."""

from collections.abc import Callable

from policies.actions.collected_policies import policy_fields
from policies.actions.errors import Refused
from policies.actions.exemption_plans import make_exemption_plan
from policies.actions.live import despite_conflicts, write_of
from policies.actions.planned_objects import own_annotations
from policies.actions.planning import make_plan
from policies.actions.proofs import PROOFS
from policies.actions.specs import resource_of
from policies.actions.step_runs import Outcome, StaleGround, StepRun
from policies.cluster.errors import EngineDown, NotFound
from policies.cluster.gateway import Manifest, Verb
from policies.cluster.writes import write
from policies.domain.exceptions import exception_digest
from policies.domain.exceptions.records import KIND as EXCEPTION
from policies.domain.lifecycle import FlipVerb, StepKind
from policies.domain.observed import policy_digest, read_policy
from policies.domain.plans import ABSENT, Plan, PlannedObject, gates_away, what_moved
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
    flip = run.rollout.flip
    if flip.exception is not None:
        fresh = make_exemption_plan(run.gateway, flip.exception, run.plan.verb, now=run.clock())
    else:
        fresh = make_plan(
            run.gateway, flip.variant, run.plan.verb, run.plan.namespaces, now=run.clock()
        )
    away = gates_away(run.plan, fresh)
    if away and not what_moved(run.plan, fresh):
        raise EngineDown(away[0].sentence)
    return fresh


def _dry_run(run: StepRun, step: RolloutStep) -> Outcome:
    return _settle(run, step, dry_run=True)


def _apply(run: StepRun, step: RolloutStep) -> Outcome:
    """Write one object, once: what is as wanted already is not written again."""
    return _settle(run, step, dry_run=False)


def _settle(run: StepRun, step: RolloutStep, *, dry_run: bool) -> Outcome:
    planned = run.planned(step.object_name)

    def attempt() -> Outcome:
        return _write_once(run, planned, dry_run=dry_run)

    return despite_conflicts(lambda: run.patiently(attempt))


def _write_once(run: StepRun, planned: PlannedObject, *, dry_run: bool) -> Outcome:
    live = _read(run, planned)
    digest = _digest(live)
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
        raise StaleGround((f"{planned.kind} {planned.name} on the cluster was changed.",))


def _read_back(run: StepRun, step: RolloutStep) -> Outcome:
    """Read the object again and keep the observed copy in line with it."""
    planned = run.planned(step.object_name)
    live = run.patiently(lambda: _read(run, planned))
    if _digest(live) != planned.after_digest:
        raise StaleGround(
            (f"{planned.kind} {planned.name} is not what was written: somebody changed it.",)
        )
    if planned.namespace:
        return Outcome(_held(live))  # an exception: the next collection keeps the copy of those
    cluster_id = run.rollout.variant.cluster_id
    if live is None:
        ObservedPolicy.objects.filter(
            cluster_id=cluster_id, kind=planned.kind, name=planned.name
        ).delete()
        return Outcome(_held(live))
    ObservedPolicy.objects.update_or_create(
        cluster_id=cluster_id,
        kind=planned.kind,
        name=planned.name,
        defaults=policy_fields(read_policy(live), live),
    )
    return Outcome(_held(live))


def _held(live: Manifest | None) -> str:
    return "The server holds exactly what was approved." if live else "It is gone."


def _read(run: StepRun, planned: PlannedObject) -> Manifest | None:
    try:
        return run.gateway.get(
            resource_of(planned.kind, planned.api_version),
            planned.name,
            namespace=planned.namespace,
        )
    except NotFound:
        return None


def _digest(live: Manifest | None) -> str:
    if live is None:
        return ABSENT
    return exception_digest(live) if live.get("kind") == EXCEPTION else policy_digest(live)


def _decision(run: StepRun) -> str:
    return str(run.rollout.flip_id)


_TAKERS: dict[StepKind, Callable[[StepRun, RolloutStep], Outcome]] = {
    StepKind.CHECK: _check,
    StepKind.DRY_RUN: _dry_run,
    StepKind.APPLY: _apply,
    StepKind.READ_BACK: _read_back,
    **PROOFS,
}
