"""The steps that prove: dry-runs of pods, until several answers in a row agree."""

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from django.conf import settings

from policies.actions.engine import ask_pod
from policies.actions.step_run import PASSING, Outcome, StepFailed, StepRun
from policies.cluster.errors import Conflict, NotFound
from policies.cluster.gateway import NAMESPACES
from policies.domain.answers import AnswerOutcome, PodAnswer, read_answer
from policies.domain.exceptions import exempt_pods
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.library import ObjectRole, Target, probe_pods
from policies.domain.lifecycle import FlipVerb, StepKind
from policies.domain.objects import WorkloadKind
from policies.models import RolloutStep
from policies.queries.exemption_rows import exemptions_of

PROBE_PAUSE_SECONDS = 0.2


def prove_refused(run: StepRun, step: RolloutStep) -> Outcome:
    return _prove(run, step, _bad(run), wanted=frozenset({AnswerOutcome.REFUSED}))


def prove_admitted(run: StepRun, step: RolloutStep) -> Outcome:
    return _prove(run, step, _good(run), wanted=frozenset({AnswerOutcome.ADMITTED}))


def prove_neighbour(run: StepRun, step: RolloutStep) -> Outcome:
    if not step.namespace:
        return Outcome("No namespace is left in Audit to compare with.", skipped=True)
    wanted = frozenset({AnswerOutcome.ADMITTED, AnswerOutcome.WARNED})
    return _prove(run, step, _bad(run), wanted=wanted)


def prove_warned(run: StepRun, step: RolloutStep) -> Outcome:
    if not step.namespace:
        return Outcome("No namespace is left in Audit to warn in.", skipped=True)
    wanted = {AnswerOutcome.WARNED}
    if run.plan.verb is FlipVerb.ROLLBACK:
        # The Audit policy may be silent while the engine is down; what counts here is that nothing refuses.
        wanted.add(AnswerOutcome.ADMITTED)
    return _prove(run, step, _bad(run), wanted=frozenset(wanted))


@dataclass(frozen=True, slots=True)
class _Probe:
    """A pod to ask about."""

    word: str
    pod: dict[str, Any]
    may_exist: bool = False
    """One of its name may run already, which the server says of a pod that it let in."""


def _bad(run: StepRun) -> _Probe:
    return _Probe("bad pod", probe_pods(run.spec).bad)


def _good(run: StepRun) -> _Probe:
    return _Probe("good pod", probe_pods(run.spec).good)


# Exemptions


def prove_exempt(run: StepRun, step: RolloutStep) -> Outcome:
    """A pod of the exempted workload, as bad as can be exempted, is let in without a word of ours."""
    return _prove(run, step, _exempted(run, step), wanted=frozenset({AnswerOutcome.ADMITTED}))


def prove_not_exempt(run: StepRun, step: RolloutStep) -> Outcome:
    """A pod beside it, as bad, is judged as ever."""
    if said := _nothing_to_prove(run, step, is_neighbour=True):
        return Outcome(said, skipped=True)
    workload, exemption = _exempted_workload(step), run.plan.exempted
    # Beside whoever is exempt here, not beside this one alone.
    named = {*exemption.workloads, *(w for each in _others(run) for w in each.workloads)}
    everybody = replace(exemption, workloads=tuple(sorted(named)))
    pod = exempt_pods(run.spec, everybody, workload).neighbour
    return _prove(run, step, _Probe("pod beside it", pod), wanted=_judged(run, step))


def prove_judged(run: StepRun, step: RolloutStep) -> Outcome:
    """The pod that was exempted is judged again."""
    if said := _nothing_to_prove(run, step):
        return Outcome(said, skipped=True)
    return _prove(run, step, _exempted(run, step), wanted=_judged(run, step))


def _nothing_to_prove(run: StepRun, step: RolloutStep, *, is_neighbour: bool = False) -> str:
    """Say why an end leaves nothing to be asked: nobody lives there any more, or another exception goes on."""
    if run.plan.verb is not FlipVerb.END_EXEMPTION:
        return ""
    try:
        run.patiently(lambda: run.gateway.get(NAMESPACES, step.namespace))
    except NotFound:
        return f"The namespace {step.namespace} is gone, and everybody in it."
    workload, controls = _exempted_workload(step), set(run.plan.exempted.controls)
    others = [o for o in _others(run) if o.exempts(workload) and controls & set(o.controls)]
    if is_neighbour or not others:
        return ""
    until = max(each.ends_at for each in others).date().isoformat()
    return f"{workload} is exempt still, by another exception, until {until}."


def _others(run: StepRun) -> tuple[Exemption, ...]:
    """Give what else is exempt in the namespace by what is on the cluster now."""
    own = str(run.rollout.flip.exception_id)
    found = exemptions_of(each for each in run.rollout.revision.exempted if each != own)
    return tuple(each for each in found if each.namespace == run.plan.exempted.namespace)


def _exempted(run: StepRun, step: RolloutStep) -> _Probe:
    workload = _exempted_workload(step)
    pod = exempt_pods(run.spec, run.plan.exempted, workload).exempted
    is_bare = workload.kind is WorkloadKind.POD
    return _Probe(f"pod of {workload}", pod, may_exist=is_bare)


def _exempted_workload(step: RolloutStep) -> WorkloadName:
    return WorkloadName(WorkloadKind(step.object_kind), step.object_name)


def _judged(run: StepRun, step: RolloutStep) -> frozenset[AnswerOutcome]:
    is_enforced = step.namespace in run.plan.enforced_after
    return frozenset({AnswerOutcome.REFUSED if is_enforced else AnswerOutcome.WARNED})


# Asking


def _prove(
    run: StepRun, step: RolloutStep, probe: _Probe, *, wanted: frozenset[AnswerOutcome]
) -> Outcome:
    """Ask until several answers in a row agree: replicas and API servers take over a policy one by one."""
    policies = _asked_policies(run, step)
    deadline = monotonic() + settings.SECPROF_PROOF_TIMEOUT_SECONDS
    step.agreed = 0
    answer = None
    while monotonic() < deadline:
        answer = _ask(run, step.namespace, probe, policies)
        step.agreed = step.agreed + 1 if answer.outcome in wanted else 0
        if step.agreed >= settings.SECPROF_PROOF_IN_A_ROW:
            said = answer.raw or f"admitted, {step.agreed} times in a row"
            return Outcome(_sentence(probe.word, answer, step), said)
        run.sleep(PROBE_PAUSE_SECONDS)
        run.renew()
    raise StepFailed(_unproven(probe.word, step, answer), answer.raw if answer else "")


def _asked_policies(run: StepRun, step: RolloutStep) -> tuple[str, ...]:
    """Name the objects whose word counts: the twins alone for a refusal, every one of ours elsewhere."""
    if run.plan.is_beside_policies or run.plan.exemption is not None:
        # Its objects are none of the policies'; what they are the revision says.
        return tuple(o["name"] for o in run.rollout.revision.objects_wanted)
    only_twins = step.kind == StepKind.PROVE_REFUSED.value
    # A native policy says nothing by itself: its bindings do, in its name and theirs.
    return tuple(
        o.name
        for o in run.plan.objects
        if not only_twins or o.role == ObjectRole.TWIN or o.kind == Target.NATIVE
    )


def _ask(run: StepRun, namespace: str, probe: _Probe, policies: tuple[str, ...]) -> PodAnswer:
    try:
        return ask_pod(run.gateway, namespace, probe.pod, policies)
    except Conflict as error:
        if not probe.may_exist:
            raise
        return read_answer(policies=policies, warnings=error.warnings)
    except PASSING as error:
        return PodAnswer(AnswerOutcome.ENGINE_DOWN, message=error.message, raw=error.message)


def _sentence(pod: str, answer: PodAnswer, step: RolloutStep) -> str:
    times = f"{step.agreed} of {step.agreed}"
    if answer.outcome is AnswerOutcome.REFUSED:
        return f"The {pod} is refused by {answer.policy}, {times}."
    warned = " with a warning" if answer.outcome is AnswerOutcome.WARNED else ""
    return f"The {pod} is admitted{warned}, {times}."


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
    return f"Not proven in {step.namespace} within {seconds} s: the {pod} {meaning}.{said}"
