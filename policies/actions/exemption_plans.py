"""Make the plan that carries out an exception, or ends it: an object of its own, or the conditions of a native policy.

Writes nothing, neither here nor there.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from policies.actions.engine import ask_judging
from policies.actions.errors import Refused
from policies.actions.live import Live, despite_conflicts, read_live, write_of
from policies.actions.planned_objects import DRY_RUN_DECISION, Ground, planned_objects
from policies.actions.specs import resource_of
from policies.cluster.errors import NotFound
from policies.cluster.gateway import Gateway, Manifest, Verb
from policies.cluster.writes import write
from policies.domain.exceptions import (
    EXCEPTION_VERSIONS,
    InvalidExemption,
    compile_exception,
    exception_digest,
    exception_kind,
    exception_name,
)
from policies.domain.exceptions.records import KIND, ExceptionKind
from policies.domain.exemptions import Exemption
from policies.domain.library import VariantSpec
from policies.domain.lifecycle import FlipVerb
from policies.domain.plans import ABSENT, GateAnswer, Plan, PlannedObject
from policies.domain.readiness import GateId
from policies.models import DesiredRevision, ExceptionRequest, Flip
from policies.queries.evidence import load_evidence
from policies.queries.exception_support import kyverno_version, support_of
from policies.queries.exemptions import carries_exemptions, exemption_of, exemptions_in_force
from policies.queries.offenders import offenders
from policies.queries.reach import EVERYTHING_SEEN
from policies.queries.specs import current_revisions, written_spec

ROLE = "exception"
EXEMPTED_GATE = "exempted"
"""Asked at the end of an exception: would what it exempted be refused now?"""
_ASKED_AT_THE_END = (GateId.CONTACT, GateId.COLLECTION, GateId.ENGINE, GateId.POLICY)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is to be planned, on what was read."""

    gateway: Gateway
    row: ExceptionRequest
    verb: FlipVerb
    exemption: Exemption
    spec: VariantSpec
    live: Live
    current: DesiredRevision
    now: datetime

    @property
    def is_end(self) -> bool:
        return self.verb is FlipVerb.END_EXEMPTION


def make_exemption_plan(
    gateway: Gateway, row: ExceptionRequest, verb: FlipVerb, *, now: datetime
) -> Plan:
    """Plan to carry out or to end an exception against the cluster as it is now.

    Raises Refused, also when the cluster would not heed the exception; ClusterError.
    """
    return despite_conflicts(lambda: _plan_once(_question(gateway, row, verb, now=now)))


def _question(
    gateway: Gateway, row: ExceptionRequest, verb: FlipVerb, *, now: datetime
) -> _Question:
    variant = row.variant
    current = current_revisions([variant]).get(variant.pk)
    if current is None:
        raise Refused(f"{variant.name} is not installed on {variant.cluster.name} yet.")
    spec = written_spec(variant, current)
    if carries_exemptions(spec):
        changed = {"but": row} if verb is FlipVerb.END_EXEMPTION else {"also": row}
        spec = replace(spec, exemptions=exemptions_in_force(variant, **changed))
    live = read_live(gateway, spec)
    return _Question(gateway, row, verb, exemption_of(row), spec, live, current, now)


def _plan_once(asked: _Question) -> Plan:
    variant = asked.row.variant
    enforced = asked.live.enforced
    try:
        objects = _policies(asked) if carries_exemptions(asked.spec) else tuple(_exceptions(asked))
    except InvalidExemption as error:
        raise Refused(str(error)) from error
    return Plan(
        cluster=variant.cluster.name,
        variant=variant.name,
        verb=asked.verb,
        namespaces=(asked.row.namespace,),
        enforced_before=enforced,
        enforced_after=enforced,
        objects=objects,
        gates=_gates(asked),
        verdicts=(),
        audit_namespace="",
        revision=asked.current.compiled_from.number,
        exemption=asked.exemption,
    )


def _policies(asked: _Question) -> tuple[PlannedObject, ...]:
    ground = Ground(asked.gateway, asked.verb, asked.spec, asked.live, asked.current, None)
    return planned_objects(ground, asked.live.enforced)


def _exceptions(asked: _Question) -> list[PlannedObject]:
    """Plan the exception's own object, and the removal of the one whose place it takes."""
    if asked.is_end:
        lies = _written(asked.row)
        return [_removal(asked, *lies)] if lies else []
    kind = exception_kind(asked.spec)
    if kind is None:
        raise Refused("A native policy has no exceptions of its own.")
    support = support_of(asked.row.variant.cluster, kind)
    if support.honoured is False:
        raise Refused(support.sentence)
    compiled = compile_exception(
        asked.spec,
        asked.exemption,
        api_version=_served(asked.gateway, kind),
        namespace=support.namespace,
        kyverno=kyverno_version(asked.row.variant.cluster),
    )
    planned = [_planned(asked, compiled.api_version, compiled.namespace, compiled.manifest)]
    if asked.row.adopted_from:
        planned.append(_removal(asked, *_adopted(asked)))
    return planned


def _served(gateway: Gateway, kind: ExceptionKind) -> str:
    for api_version in EXCEPTION_VERSIONS[kind]:
        if gateway.serves(resource_of(KIND, api_version)):
            return api_version
    raise Refused(f"This cluster serves no PolicyException of {kind}: is its Kyverno too old?")


def _planned(asked: _Question, api_version: str, namespace: str, wanted: Manifest) -> PlannedObject:
    name = wanted["metadata"]["name"]
    before = _read(asked.gateway, api_version, namespace, name)
    change = write_of(KIND, api_version, name, wanted, before, namespace=namespace)
    answer = write(asked.gateway, change, decision=DRY_RUN_DECISION, dry_run=True)
    before_digest = exception_digest(before) if before else ABSENT
    after_digest = exception_digest(answer.manifest)
    return PlannedObject(
        verb="keep" if before_digest == after_digest else change.verb.value,
        kind=KIND,
        api_version=api_version,
        name=name,
        role=ROLE,
        before=before,
        after=answer.manifest,
        wanted=wanted,
        before_digest=before_digest,
        after_digest=after_digest,
        warnings=answer.warnings,
        namespace=namespace,
    )


def _removal(asked: _Question, api_version: str, namespace: str, name: str) -> PlannedObject:
    before = _read(asked.gateway, api_version, namespace, name)
    warnings: tuple[str, ...] = ()
    if before is not None:
        change = write_of(KIND, api_version, name, None, before, namespace=namespace)
        warnings = write(asked.gateway, change, decision=DRY_RUN_DECISION, dry_run=True).warnings
    return PlannedObject(
        verb=Verb.DELETE.value,
        kind=KIND,
        api_version=api_version,
        name=name,
        role=ROLE,
        before=before,
        after=None,
        wanted=None,
        before_digest=exception_digest(before) if before else ABSENT,
        after_digest=ABSENT,
        warnings=warnings,
        namespace=namespace,
    )


def _read(gateway: Gateway, api_version: str, namespace: str, name: str) -> Manifest | None:
    try:
        return gateway.get(resource_of(KIND, api_version), name, namespace=namespace)
    except NotFound:
        return None


def _written(row: ExceptionRequest) -> tuple[str, str, str] | None:
    """Say where the exception's object lies by the last plan to write it; None when nothing was ever written."""
    flip = Flip.objects.filter(exception=row, verb=FlipVerb.EXEMPT).order_by("-decided_at").first()
    for planned in Plan.from_json(flip.plan).objects if flip else ():
        if planned.name == exception_name(row.key):
            return planned.api_version, planned.namespace, planned.name
    return None


def _adopted(asked: _Question) -> tuple[str, str, str]:
    group, namespace, name = asked.row.adopted_from.split("/")
    return _served(asked.gateway, ExceptionKind(group)), namespace, name


def _gates(asked: _Question) -> tuple[GateAnswer, ...]:
    """Ask, before an exception ends where it is enforced, what that will do (kyverno-facts T36)."""
    namespace = asked.row.namespace
    if not asked.is_end or namespace not in asked.live.enforced:
        return ()
    variant = asked.row.variant
    engine = ask_judging(asked.gateway, variant)
    evidence = load_evidence(variants=[variant], namespaces=[namespace]).with_engine(
        variant.pk, state=engine.state, message=engine.message, at=asked.now
    )
    if (variant.pk, namespace) not in evidence.namespaces:
        return ()
    verdict = evidence.assess(variant.pk, namespace, now=asked.now)
    asked_gates = (gate for gate in verdict.gates if gate.id in _ASKED_AT_THE_END)
    return (
        *(
            GateAnswer(namespace, gate.id.value, gate.outcome.value, gate.number, gate.sentence)
            for gate in asked_gates
        ),
        exempted_gate(asked.row),
    )


def exempted_gate(row: ExceptionRequest) -> GateAnswer:
    """Say whether what is exempted would be refused without the exception, by what was collected last."""
    exempted = {(each.kind.value, each.name) for each in exemption_of(row).workloads}
    failing = [
        offender
        for offender in offenders(row.variant, [row.namespace], reach=EVERYTHING_SEEN)
        if (offender.kind, offender.name) in exempted
    ]
    names = ", ".join(f"{each.kind} {each.name}" for each in failing[:3])
    more = f" and {len(failing) - 3} more" if len(failing) > 3 else ""
    sentence = (
        f"Would be refused at the next start: {names}{more}."
        if failing
        else "None of the exempted workloads fails any more."
    )
    outcome = "fail" if failing else "pass"
    return GateAnswer(row.namespace, EXEMPTED_GATE, outcome, len(failing), sentence)
