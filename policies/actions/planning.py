"""Make a plan: read the variant's objects as they are now, and ask the server what it would store instead.

Writes nothing, neither here nor there: every question to the cluster is a read or a server-side dry-run.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from policies.actions.engine import ask_judging, ask_pod_if_possible
from policies.actions.errors import Refused
from policies.actions.live import Live, despite_conflicts, read_live
from policies.actions.planned_objects import Ground, planned_objects
from policies.cluster.gateway import Gateway
from policies.domain.answers import AnswerOutcome
from policies.domain.judges import judge_of
from policies.domain.library import VariantSpec, probe_pods
from policies.domain.lifecycle import ACTIVE_ROLLOUT_STATUSES, FlipVerb
from policies.domain.plans import Plan, PlannedObject, gate_answers
from policies.domain.readiness import NamespaceVerdict
from policies.models import (
    DesiredRevision,
    ObservedNamespace,
    Rollout,
    Stage,
    Variant,
    VariantRevision,
)
from policies.queries.evidence import has_drifted, load_evidence
from policies.queries.exemption_rows import exempting_spec
from policies.queries.probed import probed_namespaces
from policies.queries.specs import current_revisions

NEIGHBOURS_ASKED = 8
"""Namespaces that are tried as the neighbour of the proof, before a plan goes without one."""
PROVEN_AGAIN = 3
"""Enforced namespaces in which an install is proven too."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is to be planned, on what was read."""

    gateway: Gateway
    variant: Variant
    verb: FlipVerb
    namespaces: tuple[str, ...]
    wish: VariantRevision
    spec: VariantSpec
    live: Live
    current: DesiredRevision | None
    coming: Plan | None
    now: datetime

    @property
    def has_drifted(self) -> bool:
        return has_drifted(self.live.digests, self.current)

    @property
    def enforced_after(self) -> tuple[str, ...]:
        before = set(self.live.enforced)
        if self.verb is FlipVerb.ENFORCE:
            return tuple(sorted(before | set(self.namespaces)))
        if self.verb is FlipVerb.ROLLBACK:
            return tuple(sorted(before - set(self.namespaces)))
        return tuple(sorted(before))


def make_plan(
    gateway: Gateway,
    variant: Variant,
    verb: FlipVerb,
    namespaces: Collection[str],
    *,
    now: datetime,
) -> Plan:
    """Plan one flip against the cluster as it is now.

    An install carries the newest parameters; everything else those that were written last, so that neither enforcing
    nor a rollback brings along what nobody has approved. Raises Refused, ClusterError.
    """
    return despite_conflicts(
        lambda: _plan_once(_question(gateway, variant, verb, namespaces, now=now))
    )


def _question(
    gateway: Gateway,
    variant: Variant,
    verb: FlipVerb,
    namespaces: Collection[str],
    *,
    now: datetime,
) -> _Question:
    current = current_revisions([variant]).get(variant.pk)
    is_install = verb is FlipVerb.INSTALL
    wish = _newest(variant) if is_install or current is None else current.compiled_from
    spec = exempting_spec(variant, wish, current)
    return _Question(
        gateway=gateway,
        variant=variant,
        verb=verb,
        namespaces=() if is_install else tuple(sorted(set(namespaces))),
        wish=wish,
        spec=spec,
        live=read_live(gateway, spec),
        current=current,
        coming=_under_way(variant) if verb is FlipVerb.ROLLBACK else None,
        now=now,
    )


def _newest(variant: Variant) -> VariantRevision:
    return VariantRevision.objects.filter(variant=variant).latest("number")


def _under_way(variant: Variant) -> Plan | None:
    """Find the plan that is being carried out: a rollback goes ahead of it, and must undo what it may still write."""
    rollout = (
        Rollout.objects.filter(
            variant=variant,
            status__in=[status.value for status in ACTIVE_ROLLOUT_STATUSES],
            flip__verb=FlipVerb.ENFORCE.value,
        )
        .select_related("flip")
        .first()
    )
    return Plan.from_json(rollout.flip.plan) if rollout else None


def _plan_once(asked: _Question) -> Plan:
    _check_sense(asked)
    enforced_after = asked.enforced_after
    ground = Ground(asked.gateway, asked.verb, asked.spec, asked.live, asked.current, asked.coming)
    objects = planned_objects(ground, enforced_after)
    _check_change(asked, objects)
    verdicts = _verdicts(asked)
    proof_namespaces = _proven_again(asked)
    return Plan(
        cluster=asked.variant.cluster.name,
        variant=asked.variant.name,
        verb=asked.verb,
        namespaces=asked.namespaces,
        enforced_before=asked.live.enforced,
        enforced_after=enforced_after,
        objects=objects,
        gates=gate_answers(verdicts),
        verdicts=tuple((v.namespace, v.verdict.value) for v in verdicts),
        audit_namespace=_neighbour(asked, objects, is_needed=not proof_namespaces),
        revision=asked.wish.number,
        proof_namespaces=proof_namespaces,
    )


def _check_sense(asked: _Question) -> None:
    if asked.verb is FlipVerb.INSTALL:
        _check_exclusions(asked)
        return
    namespaces, live, variant = asked.namespaces, asked.live, asked.variant
    if not namespaces:
        raise Refused("Choose at least one namespace.")
    known = set(
        ObservedNamespace.objects.filter(cluster=variant.cluster, name__in=namespaces).values_list(
            "name", flat=True
        )
    )
    missing = [name for name in namespaces if name not in known and name not in live.enforced]
    if missing:
        raise Refused(f"{variant.cluster.name} has no namespace {', '.join(missing)}.")
    if asked.verb is FlipVerb.ENFORCE:
        proven = Stage.objects.filter(
            variant=variant, namespace__in=namespaces, value=Stage.Value.ENFORCE
        ).count()
        if proven == len(namespaces) and set(namespaces) <= set(live.enforced):
            raise Refused("Enforced and proven there already; nothing is left to do.")
        return
    enforced = {*live.enforced, *(asked.coming.enforced_after if asked.coming else ())}
    if enforced.isdisjoint(namespaces):
        raise Refused("Nothing is enforced there; there is nothing to roll back.")


def _check_exclusions(asked: _Question) -> None:
    excluded = set(asked.spec.parameters.excluded_namespaces) & set(asked.live.enforced)
    if excluded:
        raise Refused(
            f"The variant now excludes {', '.join(sorted(excluded))}, where it is enforced: roll that back first."
        )


def _check_change(asked: _Question, objects: tuple[PlannedObject, ...]) -> None:
    """Refuse an install that would leave everything as it is."""
    if asked.verb is not FlipVerb.INSTALL or asked.has_drifted or asked.current is None:
        return
    same = asked.current.compiled_from_id == asked.wish.pk
    if same and all(planned.verb == "keep" for planned in objects):
        raise Refused(f"{asked.variant.name} is on {asked.variant.cluster.name} already.")


def _verdicts(asked: _Question) -> list[NamespaceVerdict]:
    """Ask the gates anew, with what the cluster says this minute.

    Enforcing asks them all; an install asks, where the variant is enforced, what its parameters would do there.
    """
    is_install = asked.verb is FlipVerb.INSTALL
    namespaces = asked.live.enforced if is_install else asked.namespaces
    if asked.verb is FlipVerb.ROLLBACK or not namespaces:
        return []
    variant = asked.variant
    engine = ask_judging(asked.gateway, variant)
    judge = judge_of(asked.spec)
    evidence = (
        load_evidence(variants=[variant], namespaces=namespaces, judges={variant.pk: judge})
        .with_engine(variant.pk, state=engine.state, message=engine.message, at=asked.now)
        .with_policy(
            variant.pk, exists=variant.name in asked.live.records, drifted=asked.has_drifted
        )
    )
    assess = evidence.assess_install if is_install else evidence.assess
    known = [name for name in namespaces if (variant.pk, name) in evidence.namespaces]
    return [assess(variant.pk, name, now=asked.now) for name in known]


def _proven_again(asked: _Question) -> tuple[str, ...]:
    """Choose the enforced namespaces in which an install is proven as well."""
    if asked.verb is not FlipVerb.INSTALL:
        return ()
    there = ObservedNamespace.objects.filter(
        cluster=asked.variant.cluster, name__in=asked.live.enforced, is_terminating=False
    ).order_by("name")
    return tuple(there.values_list("name", flat=True)[:PROVEN_AGAIN])


def _neighbour(asked: _Question, objects: tuple[PlannedObject, ...], *, is_needed: bool) -> str:
    """Find a namespace that stays in Audit and admits the bad pod now; empty when there is none.

    Raises Refused for an install that could be proven nowhere else.
    """
    if asked.verb is FlipVerb.ROLLBACK:
        return ""
    left_out = {
        *asked.enforced_after,
        *asked.namespaces,
        *asked.spec.parameters.excluded_namespaces,
    }
    candidates = (
        probed_namespaces(asked.variant).exclude(name__in=left_out).values_list("name", flat=True)
    )
    bad = probe_pods(asked.spec).bad
    policies = tuple(planned.name for planned in objects)
    for name in candidates[:NEIGHBOURS_ASKED]:
        outcome = ask_pod_if_possible(asked.gateway, name, bad, policies).outcome
        if outcome in {AnswerOutcome.ADMITTED, AnswerOutcome.WARNED}:
            return name
    if asked.verb is FlipVerb.INSTALL and is_needed:
        raise Refused(
            f"No namespace of {asked.variant.cluster.name} admits a pod that fails this policy, so the policy could not"
            " be proven. Collect again, or make a namespace that nothing else guards."
        )
    return ""
