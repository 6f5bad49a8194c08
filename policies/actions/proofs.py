"""The steps that prove: pods are put to the cluster as dry-runs until several answers in a row agree."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from time import monotonic
from typing import Any

from django.conf import settings

from policies.actions.engine import ask_pod
from policies.actions.step_runs import PASSING, Outcome, StepFailed, StepRun
from policies.cluster.errors import Conflict
from policies.domain.answers import AnswerOutcome, PodAnswer
from policies.domain.exceptions import TWINS, ExemptPods, InvalidExemption, exempt_pods
from policies.domain.exemptions import WorkloadName
from policies.domain.library import (
    InvalidVariant,
    ObjectRole,
    Target,
    object_name,
    probe_pods,
)
from policies.domain.lifecycle import FlipVerb, StepKind
from policies.domain.objects import WorkloadKind
from policies.models import RolloutStep

PROBE_PAUSE_SECONDS = 0.2


def _prove_refused(run: StepRun, step: RolloutStep) -> Outcome:
    bad = _Probe("bad", probe_pods(run.spec).bad, _denying(run))
    return _prove(run, step, bad, wanted={AnswerOutcome.REFUSED})


def _prove_admitted(run: StepRun, step: RolloutStep) -> Outcome:
    good = _Probe("good", probe_pods(run.spec).good, _names(run))
    return _prove(run, step, good, wanted={AnswerOutcome.ADMITTED})


def _prove_neighbour(run: StepRun, step: RolloutStep) -> Outcome:
    if not step.namespace:
        return Outcome("No namespace is left in Audit to compare with.", skipped=True)
    return _prove(run, step, _bad(run), wanted={AnswerOutcome.ADMITTED, AnswerOutcome.WARNED})


def _prove_warned(run: StepRun, step: RolloutStep) -> Outcome:
    if not step.namespace:
        return Outcome("No namespace is left in Audit to warn in.", skipped=True)
    wanted = {AnswerOutcome.WARNED}
    if run.plan.verb is FlipVerb.ROLLBACK:
        # The Audit policy may be silent while the engine is down; what counts here is that nothing refuses.
        wanted.add(AnswerOutcome.ADMITTED)
    return _prove(run, step, _bad(run), wanted=wanted)


def _prove_exempt(run: StepRun, step: RolloutStep) -> Outcome:
    """Prove that a bad pod of the exempted workload is admitted, without a word of ours."""
    probe = _Probe("exempted", _exempt_pods(run, step).exempted, _all_names(run))
    return _prove(run, step, probe, wanted={AnswerOutcome.ADMITTED})


def _prove_beside(run: StepRun, step: RolloutStep) -> Outcome:
    """Prove that a bad pod of a workload named alike is judged as the namespace's stage says."""
    probe = _Probe("neighbouring bad", _exempt_pods(run, step).neighbour, _all_names(run))
    return _prove(run, step, probe, wanted={_judged(run, step)})


def _prove_judged(run: StepRun, step: RolloutStep) -> Outcome:
    """Prove that a bad pod of what was exempted is judged again as the namespace's stage says."""
    probe = _Probe("formerly exempted", _exempt_pods(run, step).exempted, _all_names(run))
    return _prove(run, step, probe, wanted={_judged(run, step)})


def _judged(run: StepRun, step: RolloutStep) -> AnswerOutcome:
    is_enforced = step.namespace in run.plan.enforced_after
    return AnswerOutcome.REFUSED if is_enforced else AnswerOutcome.WARNED


def _exempt_pods(run: StepRun, step: RolloutStep) -> ExemptPods:
    exemption = run.plan.exemption
    if exemption is None:
        raise StepFailed("This plan exempts nothing.")
    workload = WorkloadName(WorkloadKind(step.object_kind), step.object_name)
    try:
        return exempt_pods(run.spec, exemption, workload)
    except (InvalidExemption, InvalidVariant) as error:
        raise StepFailed(f"It cannot be proven: {error}") from error


@dataclass(frozen=True, slots=True)
class _Probe:
    """A pod to ask about, and the policies whose word on it counts."""

    word: str
    pod: dict[str, Any]
    policies: tuple[str, ...]


def _bad(run: StepRun) -> _Probe:
    return _Probe("bad", probe_pods(run.spec).bad, _names(run))


def _names(run: StepRun) -> tuple[str, ...]:
    return tuple(planned.name for planned in run.plan.objects)


def _all_names(run: StepRun) -> tuple[str, ...]:
    """Name every object that the variant may have: the plan of an exception holds none of them."""
    return tuple(object_name(run.spec, role, n + 1) for role in ObjectRole for n in range(TWINS))


def _prove(
    run: StepRun, step: RolloutStep, probe: _Probe, *, wanted: Set[AnswerOutcome]
) -> Outcome:
    """Ask until several answers in a row agree: replicas and API servers take over a policy one by one."""
    word = probe.word
    deadline = monotonic() + settings.SECPROF_PROOF_TIMEOUT_SECONDS
    step.agreed = 0
    answer = None
    while monotonic() < deadline:
        answer = _ask(run, step.namespace, probe.pod, probe.policies)
        step.agreed = step.agreed + 1 if answer.outcome in wanted else 0
        if step.agreed >= settings.SECPROF_PROOF_IN_A_ROW:
            said = answer.raw or f"admitted, {step.agreed} times in a row"
            return Outcome(_sentence(word, answer, step), said)
        run.sleep(PROBE_PAUSE_SECONDS)
        run.renew()
    raise StepFailed(_unproven(word, step, answer), answer.raw if answer else "")


def _denying(run: StepRun) -> tuple[str, ...]:
    """Name the objects whose word counts for a refusal: the twins."""
    # A native policy says nothing by itself: its bindings do, in its name and theirs.
    return tuple(
        o.name for o in run.plan.objects if o.role == ObjectRole.TWIN or o.kind == Target.NATIVE
    )


def _ask(run: StepRun, namespace: str, pod: dict[str, Any], policies: tuple[str, ...]) -> PodAnswer:
    try:
        return ask_pod(run.gateway, namespace, pod, policies)
    except Conflict:
        # A bare pod of this name runs already: the server says so after admission alone.
        return PodAnswer(AnswerOutcome.ADMITTED)
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


PROOFS: dict[StepKind, Callable[[StepRun, RolloutStep], Outcome]] = {
    StepKind.PROVE_REFUSED: _prove_refused,
    StepKind.PROVE_ADMITTED: _prove_admitted,
    StepKind.PROVE_NEIGHBOUR: _prove_neighbour,
    StepKind.PROVE_WARNED: _prove_warned,
    StepKind.PROVE_EXEMPT: _prove_exempt,
    StepKind.PROVE_BESIDE: _prove_beside,
    StepKind.PROVE_JUDGED: _prove_judged,
}
