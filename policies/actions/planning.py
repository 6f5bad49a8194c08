"""Make a plan: read the variant's objects as they are now, and ask the server what it would store instead.

Writes nothing, neither here nor there: every question to the cluster is a read or a server-side dry-run.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from policies.actions.engine import ask_engine, ask_pod_if_possible
from policies.actions.errors import Refused
from policies.actions.specs import resource_of, spec_of
from policies.cluster.errors import Conflict, NotFound
from policies.cluster.gateway import Gateway, Manifest, Verb, Write
from policies.cluster.writes import write
from policies.domain.answers import AnswerOutcome
from policies.domain.library import (
    CompiledObject,
    InvalidNamespace,
    ObjectRole,
    VariantSpec,
    compile_objects,
    probe_pods,
)
from policies.domain.lifecycle import ACTIVE_ROLLOUT_STATUSES, FlipVerb
from policies.domain.observed import ObservedPolicy as PolicyRecord
from policies.domain.observed import policy_digest, read_policy
from policies.domain.plans import ABSENT, Plan, PlannedObject, gate_answers
from policies.domain.readiness import NamespaceVerdict
from policies.models import ObservedNamespace, Rollout, Stage, Variant
from policies.queries.evidence import current_revisions, has_drifted, load_evidence

T = TypeVar("T")

DRY_RUN_DECISION = "plan"
"""The decision id of a write that is only asked about."""
CONFLICTS_ALLOWED = 8
"""Versions that may move on under one question or write, before it counts as one conflict too many."""
NEIGHBOURS_ASKED = 8
"""Namespaces that are tried as the neighbour of the proof, before a plan goes without one."""


@dataclass(frozen=True, slots=True)
class Live:
    """The objects of one variant as the API server holds them now, by name."""

    manifests: dict[str, Manifest]
    records: dict[str, PolicyRecord]

    @property
    def enforced(self) -> tuple[str, ...]:
        """Namespaces in which a twin or a companion denies now; the two differ after a rollout that broke off."""
        names: set[str] = set()
        for record in self.records.values():
            if record.role is not ObjectRole.AUDIT:
                names.update(record.enforced)
        return tuple(sorted(names))

    @property
    def digests(self) -> dict[str, str]:
        return {name: record.digest for name, record in self.records.items()}


def read_live(gateway: Gateway, spec: VariantSpec) -> Live:
    """Read the variant's objects from the cluster.

    Raises Refused when a policy of somebody else has one of our names, ClusterError when the list breaks.
    """
    manifests: dict[str, Manifest] = {}
    records: dict[str, PolicyRecord] = {}
    resource = resource_of(spec)
    our_name = re.compile(rf"{re.escape(spec.name)}(-enforce(-debug)?(-[0-9]+)?)?")
    try:
        for page in gateway.pages(resource):
            for item in page.items:
                manifest: Manifest = msgspec.json.decode(item)
                manifest.setdefault("kind", resource.kind)
                manifest.setdefault("apiVersion", resource.api_version)
                record = read_policy(manifest)
                if record.variant == spec.name:
                    manifests[record.name] = manifest
                    records[record.name] = record
                elif our_name.fullmatch(record.name):
                    raise Refused(
                        f"The cluster has a {record.kind} {record.name} that secprof did not write;"
                        " rename it or choose another name for the variant."
                    )
    except NotFound:
        raise Refused(
            f"This cluster does not serve {spec.target} in {spec.api_version}: is Kyverno installed?"
        ) from None
    return Live(manifests, records)


def make_plan(
    gateway: Gateway,
    variant: Variant,
    verb: FlipVerb,
    namespaces: Collection[str],
    *,
    now: datetime,
) -> Plan:
    """Plan one flip against the cluster as it is now. Raises Refused, ClusterError."""
    return despite_conflicts(lambda: _plan_once(gateway, variant, verb, namespaces, now=now))


def despite_conflicts(attempt: Callable[[], T]) -> T:
    """Try again, from a fresh read, what met a version that has moved on.

    The engine writes the status of its policies, which moves their version and changes nothing that they say.
    """
    for _ in range(CONFLICTS_ALLOWED):
        try:
            return attempt()
        except Conflict as conflict:
            last = conflict
    raise last


def _plan_once(
    gateway: Gateway,
    variant: Variant,
    verb: FlipVerb,
    namespaces: Collection[str],
    *,
    now: datetime,
) -> Plan:
    spec = spec_of(variant)
    live = read_live(gateway, spec)
    wanted = () if verb is FlipVerb.INSTALL else tuple(sorted(set(namespaces)))
    drifted = has_drifted(live.digests, current_revisions([variant]).get(variant.pk))
    coming = _under_way(variant) if verb is FlipVerb.ROLLBACK else None
    _check_sense(variant, verb, wanted, live, coming, drifted=drifted)
    enforced_after = _enforced_after(verb, wanted, live)
    objects = _planned_objects(gateway, spec, live, coming, enforced_after)
    verdicts = _verdicts(gateway, variant, verb, wanted, live, drifted=drifted, now=now)
    return Plan(
        cluster=variant.cluster.name,
        variant=variant.name,
        verb=verb,
        namespaces=wanted,
        enforced_before=live.enforced,
        enforced_after=enforced_after,
        objects=objects,
        gates=gate_answers(verdicts),
        verdicts=tuple((v.namespace, v.verdict.value) for v in verdicts),
        audit_namespace=_neighbour(gateway, variant, spec, enforced_after, verb, wanted),
    )


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


def _check_sense(
    variant: Variant,
    verb: FlipVerb,
    namespaces: tuple[str, ...],
    live: Live,
    coming: Plan | None,
    *,
    drifted: bool,
) -> None:
    if verb is FlipVerb.INSTALL:
        if variant.name in live.records and not drifted:
            raise Refused(f"{variant.name} is on {variant.cluster.name} already.")
        return
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
    if verb is FlipVerb.ENFORCE:
        proven = Stage.objects.filter(
            variant=variant, namespace__in=namespaces, value=Stage.Value.ENFORCE
        ).count()
        if proven == len(namespaces) and set(namespaces) <= set(live.enforced):
            raise Refused("Enforced and proven there already; nothing is left to do.")
        return
    enforced = {*live.enforced, *(coming.enforced_after if coming else ())}
    if enforced.isdisjoint(namespaces):
        raise Refused("Nothing is enforced there; there is nothing to roll back.")


def _enforced_after(verb: FlipVerb, namespaces: tuple[str, ...], live: Live) -> tuple[str, ...]:
    before = set(live.enforced)
    if verb is FlipVerb.ENFORCE:
        return tuple(sorted(before | set(namespaces)))
    if verb is FlipVerb.ROLLBACK:
        return tuple(sorted(before - set(namespaces)))
    return tuple(sorted(before))


def _planned_objects(
    gateway: Gateway,
    spec: VariantSpec,
    live: Live,
    coming: Plan | None,
    enforced_after: tuple[str, ...],
) -> tuple[PlannedObject, ...]:
    try:
        compiled = compile_objects(spec, enforced_after)
    except InvalidNamespace as error:
        raise Refused(
            f"A policy of {spec.name} on the cluster was edited by hand: {error} Roll that back too."
        ) from error
    planned = [_planned(gateway, spec, o, live.manifests.get(o.name)) for o in compiled]
    roles = {o.name: o.role for o in coming.objects} if coming else {}
    roles |= {name: record.role or "" for name, record in live.records.items()}
    extra = sorted(roles.keys() - {o.name for o in compiled}, reverse=True)
    removals = (
        _planned_removal(gateway, spec, name, roles[name], live.manifests.get(name))
        for name in extra
    )
    return (*planned, *removals)


def _planned(
    gateway: Gateway, spec: VariantSpec, wanted: CompiledObject, before: Manifest | None
) -> PlannedObject:
    change = write_of(spec, wanted.name, wanted.manifest, before)
    answer = write(gateway, change, decision=DRY_RUN_DECISION, dry_run=True)
    before_digest = policy_digest(before) if before else ABSENT
    after_digest = policy_digest(answer.manifest)
    return PlannedObject(
        verb="keep" if before_digest == after_digest else change.verb.value,
        kind=wanted.kind,
        api_version=wanted.api_version,
        name=wanted.name,
        role=wanted.role.value,
        before=before,
        after=answer.manifest,
        wanted=wanted.manifest,
        before_digest=before_digest,
        after_digest=after_digest,
        warnings=answer.warnings,
    )


def _planned_removal(
    gateway: Gateway, spec: VariantSpec, name: str, role: str, before: Manifest | None
) -> PlannedObject:
    """Plan to remove an object, or to see to it that one which is not there yet does not stay."""
    warnings: tuple[str, ...] = ()
    if before is not None:
        change = write_of(spec, name, None, before)
        warnings = write(gateway, change, decision=DRY_RUN_DECISION, dry_run=True).warnings
    return PlannedObject(
        verb=Verb.DELETE.value,
        kind=spec.target.value,
        api_version=spec.api_version,
        name=name,
        role=str(role),
        before=before,
        after=None,
        wanted=None,
        before_digest=policy_digest(before) if before else ABSENT,
        after_digest=ABSENT,
        warnings=warnings,
    )


def write_of(
    spec: VariantSpec, name: str, wanted: Manifest | None, before: Manifest | None
) -> Write:
    """Make the guarded change that leads from the object as it was read to the one that is wanted."""
    meta = before["metadata"] if before else {}
    writing = Verb.REPLACE if before else Verb.CREATE
    return Write(
        verb=writing if wanted is not None else Verb.DELETE,
        resource=resource_of(spec),
        name=name,
        manifest=wanted,
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
    )


def _verdicts(
    gateway: Gateway,
    variant: Variant,
    verb: FlipVerb,
    namespaces: tuple[str, ...],
    live: Live,
    *,
    drifted: bool,
    now: datetime,
) -> list[NamespaceVerdict]:
    """Ask the gates anew, with what API server and engine say this minute. Only enforcing has gates."""
    if verb is not FlipVerb.ENFORCE:
        return []
    engine = ask_engine(gateway, variant.cluster)
    evidence = (
        load_evidence(variants=[variant], namespaces=namespaces)
        .with_engine(variant.pk, state=engine.state, message=engine.message, at=now)
        .with_policy(variant.pk, exists=variant.name in live.records, drifted=drifted)
    )
    return [evidence.assess(variant.pk, name, now=now) for name in namespaces]


def _neighbour(
    gateway: Gateway,
    variant: Variant,
    spec: VariantSpec,
    enforced_after: tuple[str, ...],
    verb: FlipVerb,
    namespaces: tuple[str, ...],
) -> str:
    """Find a namespace that stays in Audit and admits the bad pod now; empty when there is none.

    Raises Refused for an install, which could not be proven without one.
    """
    if verb is FlipVerb.ROLLBACK:
        return ""
    bad = probe_pods(spec).bad
    candidates = (
        ObservedNamespace.objects.filter(
            cluster=variant.cluster, is_system=False, is_terminating=False
        )
        .exclude(name__in=[*enforced_after, *namespaces])
        .order_by("name")
        .values_list("name", flat=True)
    )
    for name in candidates[:NEIGHBOURS_ASKED]:
        outcome = ask_pod_if_possible(gateway, name, bad, (spec.name,)).outcome
        if outcome in {AnswerOutcome.ADMITTED, AnswerOutcome.WARNED}:
            return name
    if verb is FlipVerb.INSTALL:
        raise Refused(
            f"No namespace of {variant.cluster.name} admits a pod that fails this policy, so the policy could not be"
            " proven. Collect again, or make a namespace that nothing else guards."
        )
    return ""
