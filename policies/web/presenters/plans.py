"""A plan as a page shows it, fresh or frozen: changes, gates, the server's answer, and what would void it."""

from dataclasses import dataclass

from policies.domain.exemptions import Exemption
from policies.domain.lifecycle import EXEMPTING_VERBS, FlipVerb
from policies.domain.plans import GateAnswer, Plan, PlannedObject, object_diff
from policies.domain.readiness import HARD_GATES, GateId
from policies.queries.plans import SeenPlan
from policies.web.presenters.diffs import Block, diff_blocks
from policies.web.presenters.readiness import GATE_TITLES
from policies.web.words import count_of, day, listed

_VERBS = {"create": "create", "replace": "change", "delete": "delete", "keep": "leave as it is"}
_ROLES = {
    "audit": "Audit policy: reports and warns in every namespace, refuses nothing",
    "twin": "its twin: refuses in the enforced namespaces, nowhere else",
    "companion": "companion of the twin: refuses debug containers there",
    "exception": "exempts the named workloads, and nothing beside them",
}


@dataclass(frozen=True, slots=True)
class ShownObject:
    """One policy object of a plan."""

    verb: str
    verb_word: str
    kind: str
    name: str
    role: str
    blocks: tuple[Block, ...]
    added_count: int
    removed_count: int
    warnings: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class ShownGateAnswer:
    """One gate of one namespace."""

    title: str
    outcome: str
    number: int | None
    sentence: str
    is_hard: bool


@dataclass(frozen=True, slots=True)
class NamespaceGates:
    """The gates of one namespace, the open ones first."""

    namespace: str
    verdict: str
    open_count: int
    gates: tuple[ShownGateAnswer, ...]


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """A plan with its words."""

    title: str
    verb: FlipVerb
    variant: str
    cluster: str
    namespaces: tuple[str, ...]
    changes: tuple[ShownObject, ...]
    kept: tuple[ShownObject, ...]
    gates: tuple[NamespaceGates, ...]
    open_count: int
    hard_sentences: tuple[str, ...]
    """Why nobody can go ahead; empty when somebody can."""
    needs_override: bool
    digest: str
    enforced_before_count: int | None
    enforced_after_count: int | None
    audit_namespace: str
    effect: str
    proof: str
    is_whole: bool
    """False when the texts of objects and the numbers of namespaces are left out."""
    voided_by: tuple[str, ...]


def shown_plan(seen: SeenPlan) -> ShownPlan:
    """Word a plan, as far as it is seen."""
    plan = seen.plan
    hard = tuple(dict.fromkeys(g.sentence for g in plan.open_gates if g.gate in HARD_GATES))
    objects = [_object(planned) for planned in plan.objects]
    return ShownPlan(
        title=plan.title,
        verb=plan.verb,
        variant=plan.variant,
        cluster=plan.cluster,
        namespaces=plan.namespaces,
        changes=tuple(o for o in objects if o.verb != "keep"),
        kept=tuple(o for o in objects if o.verb == "keep"),
        gates=_by_namespace(plan),
        open_count=len(plan.open_gates),
        hard_sentences=hard,
        needs_override=bool(plan.open_gates) and not hard,
        digest=seen.digest,
        enforced_before_count=len(plan.enforced_before) if seen.is_whole else None,
        enforced_after_count=len(plan.enforced_after) if seen.is_whole else None,
        audit_namespace=plan.audit_namespace,
        effect=_effect(plan),
        proof=_proof(plan),
        is_whole=seen.is_whole,
        voided_by=_voided_by(plan),
    )


def _object(planned: PlannedObject) -> ShownObject:
    is_kept = planned.verb == "keep"
    lines = () if is_kept else object_diff(planned.before, planned.after)
    blocks = diff_blocks(lines)
    styles = [line.style for block in blocks for line in block.lines]
    return ShownObject(
        verb=planned.verb,
        verb_word=_VERBS.get(planned.verb, planned.verb),
        kind=planned.kind,
        name=planned.name,
        role=_ROLES.get(planned.role, planned.role),
        blocks=blocks,
        added_count=styles.count("add"),
        removed_count=styles.count("del"),
        warnings=planned.warnings,
        answer=_answer(planned),
    )


def _answer(planned: PlannedObject) -> str:
    if planned.verb == "keep":
        return "Would stay as it is."
    warned = f", with {count_of(len(planned.warnings), 'warning')}" if planned.warnings else ""
    return f"The API server would {_VERBS.get(planned.verb, planned.verb)} it{warned}."


def _by_namespace(plan: Plan) -> tuple[NamespaceGates, ...]:
    verdicts = dict(plan.verdicts)
    found: dict[str, list[GateAnswer]] = {}
    for gate in plan.gates:
        found.setdefault(gate.namespace, []).append(gate)
    groups = (
        NamespaceGates(
            namespace,
            verdicts.get(namespace, "unknown"),
            sum(gate.outcome != "pass" for gate in gates),
            tuple(_gate(gate) for gate in sorted(gates, key=lambda g: g.outcome == "pass")),
        )
        for namespace, gates in found.items()
    )
    return tuple(sorted(groups, key=lambda group: -group.open_count))


def _gate(gate: GateAnswer) -> ShownGateAnswer:
    return ShownGateAnswer(
        GATE_TITLES[GateId(gate.gate)],
        gate.outcome,
        gate.number,
        gate.sentence,
        gate.gate in HARD_GATES,
    )


def _effect(plan: Plan) -> str:
    if plan.exemption is not None:
        return _effect_of_exception(plan, plan.exemption)
    if plan.verb is FlipVerb.INSTALL and plan.enforced_after:
        where = count_of(len(plan.enforced_after), "namespace")
        return (
            f"In {where}, where it is enforced, new pods are judged by these parameters at once; everywhere else it"
            " warns by them."
        )
    if plan.verb is FlipVerb.INSTALL:
        return (
            "Nothing is refused. From now on the engine reports on every namespace and warns whoever creates a pod"
            " that fails."
        )
    where = count_of(len(plan.namespaces), "namespace")
    if plan.verb is FlipVerb.ROLLBACK:
        return f"Pods that fail are admitted again in {where}, with a warning. Nothing that runs is touched."
    return (
        f"New pods that fail are refused in {where}. What runs now keeps running, and can be labelled, scaled and"
        " deleted; it is refused when its pods are made anew."
    )


def _effect_of_exception(plan: Plan, exemption: Exemption) -> str:
    who = count_of(len(exemption.workloads), "workload")
    if plan.verb is FlipVerb.END_EXEMPTION:
        return f"{who} of {exemption.namespace} will be judged again, like everything beside."
    return (
        f"{who} of {exemption.namespace}, and what is made of them, will not be judged by {plan.variant} until"
        f" {day(exemption.ends_at)}. Everything beside is judged as before."
    )


def _proof(plan: Plan) -> str:
    if plan.verb is FlipVerb.EXEMPT:
        return (
            "A bad pod of each exempt workload is admitted without a word, and one beside it is judged as before,"
            " several times in a row."
        )
    if plan.verb is FlipVerb.END_EXEMPTION:
        return "A bad pod of each workload that was exempt is judged again, several times in a row."
    if plan.verb is FlipVerb.INSTALL:
        return _proof_of_install(plan)
    if plan.verb is FlipVerb.ROLLBACK:
        return "A bad pod is admitted again in each namespace, with this policy's warning."
    neighbour = f"; a bad pod is admitted in {plan.audit_namespace}" if plan.audit_namespace else ""
    return (
        "In each namespace a bad pod is refused by this policy and a good one is admitted, three times in a row"
        f"{neighbour}."
    )


def _proof_of_install(plan: Plan) -> str:
    refused = (
        f"In {listed(plan.proof_namespaces)}, where it is enforced, a bad pod is refused and a good one is admitted."
        if plan.proof_namespaces
        else ""
    )
    if not plan.audit_namespace:
        return refused
    warned = f"A bad pod is admitted in {plan.audit_namespace}, with this policy's warning."
    return f"{warned} {refused}".strip()


def _voided_by(plan: Plan) -> tuple[str, ...]:
    if plan.verb in {FlipVerb.ROLLBACK, *EXEMPTING_VERBS}:
        return ()
    found = ["somebody edits one of these objects on the cluster"]
    if plan.gates:
        found.append("a gate opens that passes here")
    return (*found, "nobody decides before it lapses")
