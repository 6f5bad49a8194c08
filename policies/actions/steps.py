"""The steps of a rollout, each safe to repeat: check the ground, dry-run, apply, read back, prove."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings

from policies.actions.collected_policies import policy_fields
from policies.actions.engine import ask_pod
from policies.actions.errors import Refused
from policies.actions.live import despite_conflicts, write_of
from policies.actions.planned_objects import own_annotations
from policies.actions.planning import make_plan
from policies.actions.specs import resource_of
from policies.cluster.errors import (
    EngineDown,
    NotFound,
    ServerFailed,
    Throttled,
    TimedOut,
    Unreachable,
)
from policies.cluster.gateway import Gateway, Manifest, Verb
from policies.cluster.writes import write
from policies.domain.answers import AnswerOutcome, PodAnswer
from policies.domain.library import ObjectRole, Target, VariantSpec, probe_pods
from policies.domain.lifecycle import FlipVerb, StepKind
from policies.domain.observed import policy_digest, read_policy
from policies.domain.plans import ABSENT, Plan, PlannedObject, gates_away, what_moved
from policies.models import ObservedPolicy, Rollout, RolloutStep
from policies.queries.specs import spec_of_revision

T = TypeVar("T")

PASSING = (Unreachable, TimedOut, Throttled, ServerFailed, EngineDown)
"""What may be over in a moment."""
PATIENCE_SECONDS = 15.0
"""How long a step waits for such a thing to be over."""
PAUSE_SECONDS = 1.0
PROBE_PAUSE_SECONDS = 0.2


class StepFailed(Exception):
    """The step did not come out as it must."""

    def __init__(self, message: str, raw: str = "") -> None:
        super().__init__(message)
        self.raw = raw


class StaleGround(Exception):
    """What was approved is not what is there any more; nothing further was written."""

    def __init__(self, moved: tuple[str, ...]) -> None:
        super().__init__(" ".join(moved))
        self.moved = moved


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step went: one sentence, and the server's raw words."""

    detail: str
    answer: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class StepRun:
    """What the steps of one rollout share."""

    rollout: Rollout
    plan: Plan
    gateway: Gateway
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    renew: Callable[[], None]
    """Hold on to the claim; raises when it is lost."""

    @property
    def spec(self) -> VariantSpec:
        """What the revision was compiled from."""
        return spec_of_revision(self.rollout.variant, self.rollout.revision.compiled_from)

    def planned(self, name: str) -> PlannedObject:
        return next(o for o in self.plan.objects if o.name == name)

    def patiently(self, ask: Callable[[], T]) -> T:
        """Ask again while the cluster fails in a way that may be over in a moment."""
        deadline = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return ask()
            except PASSING:
                if monotonic() > deadline:
                    raise
            self.sleep(PAUSE_SECONDS)
            self.renew()


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
    fresh = make_plan(run.gateway, variant, run.plan.verb, run.plan.namespaces, now=run.clock())
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
    change = write_of(planned.kind, planned.api_version, planned.name, planned.wanted, live)
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
    cluster_id = run.rollout.variant.cluster_id
    if live is None:
        ObservedPolicy.objects.filter(
            cluster_id=cluster_id, kind=planned.kind, name=planned.name
        ).delete()
        return Outcome("It is gone.")
    ObservedPolicy.objects.update_or_create(
        cluster_id=cluster_id,
        kind=planned.kind,
        name=planned.name,
        defaults=policy_fields(read_policy(live), live),
    )
    return Outcome("The server holds exactly what was approved.")


def _prove_refused(run: StepRun, step: RolloutStep) -> Outcome:
    return _prove(run, step, bad=True, wanted=frozenset({AnswerOutcome.REFUSED}))


def _prove_admitted(run: StepRun, step: RolloutStep) -> Outcome:
    return _prove(run, step, bad=False, wanted=frozenset({AnswerOutcome.ADMITTED}))


def _prove_neighbour(run: StepRun, step: RolloutStep) -> Outcome:
    if not step.namespace:
        return Outcome("No namespace is left in Audit to compare with.", skipped=True)
    wanted = frozenset({AnswerOutcome.ADMITTED, AnswerOutcome.WARNED})
    return _prove(run, step, bad=True, wanted=wanted)


def _prove_warned(run: StepRun, step: RolloutStep) -> Outcome:
    if not step.namespace:
        return Outcome("No namespace is left in Audit to warn in.", skipped=True)
    wanted = {AnswerOutcome.WARNED}
    if run.plan.verb is FlipVerb.ROLLBACK:
        # The Audit policy may be silent while the engine is down; what counts here is that nothing refuses.
        wanted.add(AnswerOutcome.ADMITTED)
    return _prove(run, step, bad=True, wanted=frozenset(wanted))


def _prove(
    run: StepRun, step: RolloutStep, *, bad: bool, wanted: frozenset[AnswerOutcome]
) -> Outcome:
    """Ask until several answers in a row agree: replicas and API servers take over a policy one by one."""
    pods = probe_pods(run.spec)
    word, pod = ("bad", pods.bad) if bad else ("good", pods.good)
    policies = _asked_policies(run, step)
    deadline = monotonic() + settings.SECPROF_PROOF_TIMEOUT_SECONDS
    step.agreed = 0
    answer = None
    while monotonic() < deadline:
        answer = _ask(run, step.namespace, pod, policies)
        step.agreed = step.agreed + 1 if answer.outcome in wanted else 0
        if step.agreed >= settings.SECPROF_PROOF_IN_A_ROW:
            said = answer.raw or f"admitted, {step.agreed} times in a row"
            return Outcome(_sentence(word, answer, step), said)
        run.sleep(PROBE_PAUSE_SECONDS)
        run.renew()
    raise StepFailed(_unproven(word, step, answer), answer.raw if answer else "")


def _asked_policies(run: StepRun, step: RolloutStep) -> tuple[str, ...]:
    """Name the objects whose word counts: the twins alone for a refusal, every one of ours elsewhere."""
    only_twins = step.kind == StepKind.PROVE_REFUSED.value
    # A native policy says nothing by itself: its bindings do, in its name and theirs.
    return tuple(
        o.name
        for o in run.plan.objects
        if not only_twins or o.role == ObjectRole.TWIN or o.kind == Target.NATIVE
    )


def _ask(run: StepRun, namespace: str, pod: dict[str, Any], policies: tuple[str, ...]) -> PodAnswer:
    try:
        return ask_pod(run.gateway, namespace, pod, policies)
    except PASSING as error:
        return PodAnswer(AnswerOutcome.ENGINE_DOWN, message=error.message, raw=error.message)


def _sentence(pod: str, answer: PodAnswer, step: RolloutStep) -> str:
    times = f"{step.agreed} of {step.agreed}"
    if answer.outcome is AnswerOutcome.REFUSED:
        return f"The {pod} pod is refused by {answer.policy}, {times}."
    warned = " with a warning" if answer.outcome is AnswerOutcome.WARNED else ""
    return f"The {pod} pod is admitted{warned}, {times}."


_MEANING = {
    AnswerOutcome.ADMITTED: "was admitted",
    AnswerOutcome.WARNED: "was admitted with a warning",
    AnswerOutcome.REFUSED: "was refused",
    AnswerOutcome.REFUSED_BY_OTHER: "was refused by something else, which proves nothing",
    AnswerOutcome.POLICY_ERROR: "met an error in the policy, which proves nothing",
    AnswerOutcome.ENGINE_DOWN: "got no verdict: engine down",
}


def _unproven(pod: str, step: RolloutStep, answer: PodAnswer | None) -> str:
    meaning = _MEANING[answer.outcome] if answer else "got no answer"
    said = f" {answer.message}" if answer and answer.message else ""
    seconds = settings.SECPROF_PROOF_TIMEOUT_SECONDS
    return f"Not proven in {step.namespace} within {seconds} s: the {pod} pod {meaning}.{said}"


def _read(run: StepRun, planned: PlannedObject) -> Manifest | None:
    try:
        return run.gateway.get(resource_of(planned.kind, planned.api_version), planned.name)
    except NotFound:
        return None


def _digest(live: Manifest | None) -> str:
    return policy_digest(live) if live else ABSENT


def _decision(run: StepRun) -> str:
    return str(run.rollout.flip_id)


_TAKERS: dict[StepKind, Callable[[StepRun, RolloutStep], Outcome]] = {
    StepKind.CHECK: _check,
    StepKind.DRY_RUN: _dry_run,
    StepKind.APPLY: _apply,
    StepKind.READ_BACK: _read_back,
    StepKind.PROVE_REFUSED: _prove_refused,
    StepKind.PROVE_ADMITTED: _prove_admitted,
    StepKind.PROVE_NEIGHBOUR: _prove_neighbour,
    StepKind.PROVE_WARNED: _prove_warned,
}
