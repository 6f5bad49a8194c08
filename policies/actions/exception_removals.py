"""Plan to take an exception off a cluster that secprof did not make, when it exempts from a policy of ours.

Whom it exempts is not known for sure, so that the gates are asked, and the proof is made, for namespaces as a whole.
"""

from collections.abc import Collection
from datetime import datetime

from policies.actions.engine import ask_judging
from policies.actions.errors import Refused
from policies.actions.exception_planning import planned_removal
from policies.actions.exception_support import address_of, served_version
from policies.actions.live import despite_conflicts, read_live
from policies.actions.planning import PROVEN_AGAIN, make_plan
from policies.actions.specs import resource_of
from policies.cluster.errors import NotFound
from policies.cluster.gateway import Gateway
from policies.domain.exceptions import (
    EXCEPTION_KIND,
    ObservedExceptionRecord,
    exception_kind,
    read_exception,
)
from policies.domain.judges import judge_of
from policies.domain.library import VariantSpec
from policies.domain.lifecycle import FlipVerb
from policies.domain.plans import Plan, gate_answers
from policies.domain.readiness import NamespaceVerdict
from policies.models import ObservedNamespace, Variant
from policies.queries.evidence import load_evidence
from policies.queries.specs import current_revisions, spec_of_revision


def plan_anew(gateway: Gateway, variant: Variant, approved: Plan, *, now: datetime) -> Plan:
    """Make the plan of a flip again, as things are now. Raises Refused, ClusterError."""
    if approved.verb is FlipVerb.REMOVE_EXCEPTION:
        return plan_removal(gateway, variant, approved.removes, now=now)
    return make_plan(gateway, variant, approved.verb, approved.namespaces, now=now)


def plan_removal(gateway: Gateway, variant: Variant, removes: str, *, now: datetime) -> Plan:
    """Plan to delete one exception of somebody else. Raises Refused, ClusterError."""
    return despite_conflicts(lambda: _plan(gateway, variant, removes, now=now))


def _plan(gateway: Gateway, variant: Variant, removes: str, *, now: datetime) -> Plan:
    current = current_revisions([variant]).get(variant.pk)
    if current is None:
        raise Refused(f"{variant.name} is not installed on {variant.cluster.name}.")
    spec = spec_of_revision(variant, current.compiled_from)
    live = read_live(gateway, spec)
    group, namespace, name = address_of(removes)
    if group is not exception_kind(spec):
        raise Refused(f"{removes} exempts from no policy of {spec.name}.")
    address = (served_version(gateway, group), namespace, name)
    record = _read(gateway, address, removes)
    if record.is_ours:
        raise Refused("secprof made this exception: end it instead.")
    if not any(each.rpartition("/")[2] in live.records for each in record.policies):
        raise Refused(f"{removes} exempts from no policy of {spec.name}.")
    enforced = _there(variant, record, spec, live.enforced)
    audited = _there(variant, record, spec, None, but=live.enforced)
    if not enforced and not audited:
        raise Refused("It reaches no namespace in which its end could be proven.")
    verdicts = _verdicts(gateway, variant, spec, enforced, now=now)
    return Plan(
        cluster=variant.cluster.name,
        variant=variant.name,
        verb=FlipVerb.REMOVE_EXCEPTION,
        namespaces=(),
        enforced_before=live.enforced,
        enforced_after=live.enforced,
        objects=(planned_removal(gateway, address),),
        gates=gate_answers(verdicts),
        verdicts=tuple((each.namespace, each.verdict.value) for each in verdicts),
        audit_namespace=audited[0] if audited else "",
        revision=current.compiled_from.number,
        proof_namespaces=enforced[:PROVEN_AGAIN],
        removes=removes,
    )


def _read(gateway: Gateway, address: tuple[str, str, str], removes: str) -> ObservedExceptionRecord:
    api_version, namespace, name = address
    resource = resource_of(EXCEPTION_KIND, api_version)
    try:
        return read_exception(gateway.get(resource, name, namespace=namespace))
    except NotFound:
        raise Refused(f"There is no exception {removes} any more.") from None


def _there(
    variant: Variant,
    record: ObservedExceptionRecord,
    spec: VariantSpec,
    names: Collection[str] | None,
    *,
    but: Collection[str] = (),
) -> tuple[str, ...]:
    """Name the namespaces that it may reach, sorted, among these or all."""
    found = ObservedNamespace.objects.filter(
        cluster=variant.cluster, is_system=False, is_terminating=False
    ).exclude(name__in=[*but, *spec.parameters.excluded_namespaces])
    for wanted in (names, record.reaches):
        if wanted is not None:
            found = found.filter(name__in=wanted)
    return tuple(found.order_by("name").values_list("name", flat=True))


def _verdicts(
    gateway: Gateway,
    variant: Variant,
    spec: VariantSpec,
    namespaces: tuple[str, ...],
    *,
    now: datetime,
) -> list[NamespaceVerdict]:
    """Ask, where it is enforced, what an install would be asked: nothing else says what is refused without it."""
    if not namespaces:
        return []
    engine = ask_judging(gateway, variant)
    evidence = load_evidence(
        variants=[variant], namespaces=namespaces, judges={variant.pk: judge_of(spec)}
    ).with_engine(variant.pk, state=engine.state, message=engine.message, at=now)
    return [evidence.assess_install(variant.pk, name, now=now) for name in namespaces]
