"""What is asked before an exemption ends in an enforced namespace: would its workloads be refused then?

Reports and rehearsals say nothing about that while they are exempt; the posture of the workloads does.
"""

from datetime import datetime

from policies.actions.engine import ask_judging
from policies.cluster.gateway import Gateway
from policies.domain.exemptions import WorkloadName, names_of
from policies.domain.judges import Judge, judge_of
from policies.domain.library import VariantSpec
from policies.domain.plans import GateAnswer, gate_answers
from policies.domain.readiness import GateId, GateOutcome
from policies.models import ExceptionRequest, ObservedWorkload
from policies.queries.evidence import load_evidence
from policies.queries.offenders import faults_of


def gates_of_end(
    gateway: Gateway,
    row: ExceptionRequest,
    spec: VariantSpec,
    *,
    still_exempt: frozenset[WorkloadName],
    now: datetime,
) -> tuple[GateAnswer, ...]:
    """Ask the gates for the namespace of an exception as if it exempted nobody.

    `still_exempt` are the workloads that other exceptions go on to exempt. Raises ClusterError.
    """
    variant, namespace = row.variant, row.namespace
    judge = judge_of(spec)
    engine = ask_judging(gateway, variant)
    evidence = load_evidence(
        variants=[variant], namespaces=[namespace], judges={variant.pk: judge}
    ).with_engine(variant.pk, state=engine.state, message=engine.message, at=now)
    if (variant.pk, namespace) not in evidence.namespaces:
        return ()
    answers = gate_answers([evidence.assess_install(variant.pk, namespace, now=now)])
    others = [each for each in answers if each.gate != GateId.POSTURE.value]
    asked = next((each for each in answers if each.gate == GateId.POSTURE.value), None)
    if asked is None or asked.outcome == GateOutcome.UNKNOWN.value:
        return answers
    return (*others, _posture(row, judge, still_exempt))


def _posture(
    row: ExceptionRequest, judge: Judge, still_exempt: frozenset[WorkloadName]
) -> GateAnswer:
    failing = _failing(row, judge, still_exempt)
    if not failing:
        sentence = "No exempted workload that is there would be refused."
        return GateAnswer(row.namespace, GateId.POSTURE.value, GateOutcome.PASS.value, 0, sentence)
    named = ", ".join(failing[:4]) + (f" and {len(failing) - 4} more" if len(failing) > 4 else "")
    sentence = f"Without the exemption, new pods of {named} are refused."
    return GateAnswer(
        row.namespace, GateId.POSTURE.value, GateOutcome.FAIL.value, len(failing), sentence
    )


def _failing(
    row: ExceptionRequest, judge: Judge, still_exempt: frozenset[WorkloadName]
) -> list[str]:
    agreed = set(names_of(row.approved_workloads)) - still_exempt
    exempted = {(each.kind.value, each.name) for each in agreed}
    found = ObservedWorkload.objects.filter(
        cluster_id=row.variant.cluster_id, namespace=row.namespace, finding_count__gt=0
    ).defer("containers", "patches")
    return sorted(
        {
            f"{each.top_kind} {each.top_name}"
            for each in found
            if (each.top_kind, each.top_name) in exempted and faults_of(each, judge)
        }
    )
