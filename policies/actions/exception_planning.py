"""Plan how an exception comes onto a cluster, or off it: the exact objects, by dry-run. Writes nothing.

A ClusterPolicy or ValidatingPolicy is exempted from by an object beside it, which leaves the policies as they are; a
native policy carries its exemptions itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from policies.actions.errors import Refused
from policies.actions.exception_gates import gates_of_end
from policies.actions.exception_support import Home, address_of, find_home
from policies.actions.live import Live, despite_conflicts, digest_of, read_live, write_of
from policies.actions.planned_objects import (
    DRY_RUN_DECISION,
    Ground,
    own_annotations,
    planned_objects,
)
from policies.actions.specs import resource_of
from policies.cluster.errors import NotFound
from policies.cluster.gateway import Gateway, Manifest, Verb
from policies.cluster.writes import write
from policies.domain.exceptions import (
    EXCEPTION_KIND,
    InvalidExemption,
    compile_exception,
    exception_kind,
    exempt_pods,
)
from policies.domain.exemptions import Exemption
from policies.domain.library import InvalidVariant, VariantSpec
from policies.domain.lifecycle import FlipVerb
from policies.domain.plans import ABSENT, GateAnswer, Plan, PlannedObject
from policies.models import DesiredRevision, ExceptionRequest
from policies.queries.exemption_rows import exemption_of, exemptions_of
from policies.queries.specs import current_revisions, spec_of_revision

ROLE = "exception"
"""Of a planned object that is no part of a policy."""


@dataclass(frozen=True, slots=True)
class ExceptionPlan:
    """A plan, and what the cluster's own settings say about it."""

    plan: Plan
    honoured: bool | None
    """Whether the engine heeds the exception; None when that is not known, and only the proof will tell."""
    support: str
    """One sentence: which settings decide, and which to change. Empty for a native policy, which has none."""


@dataclass(frozen=True, slots=True)
class _Ground:
    gateway: Gateway
    row: ExceptionRequest
    verb: FlipVerb
    exemption: Exemption
    current: DesiredRevision
    spec: VariantSpec
    live: Live
    now: datetime

    @property
    def is_enforced(self) -> bool:
        return self.row.namespace in self.live.enforced

    @property
    def others(self) -> tuple[Exemption, ...]:
        """Who else is exempt by what is on the cluster now."""
        own = str(self.row.pk)
        return exemptions_of(each for each in self.current.exempted if each != own)


def plan_exception(
    gateway: Gateway,
    row: ExceptionRequest,
    verb: FlipVerb,
    *,
    exemption: Exemption | None = None,
    now: datetime,
) -> ExceptionPlan:
    """Plan to put an exception (with variant, cluster and people) into force, or to end it.

    `exemption` stands in for what the row says, while that is not decided. Raises Refused, ClusterError.
    """
    wanted = exemption or exemption_of(row)

    def attempt() -> ExceptionPlan:
        try:
            return _plan(_ground(gateway, row, verb, wanted, now=now))
        except (InvalidExemption, InvalidVariant) as error:
            raise Refused(str(error)) from error

    return despite_conflicts(attempt)


def check_honoured(planned: ExceptionPlan) -> None:
    """Raise Refused when the cluster would store the exception and pass over it; unknown is left to the proof."""
    if planned.honoured is False:
        raise Refused(planned.support)


def _ground(
    gateway: Gateway, row: ExceptionRequest, verb: FlipVerb, exemption: Exemption, *, now: datetime
) -> _Ground:
    variant = row.variant
    current = current_revisions([variant]).get(variant.pk)
    if current is None:
        raise Refused(
            f"{variant.name} is not installed on {variant.cluster.name}: there is nothing to be exempt from."
        )
    spec = spec_of_revision(variant, current.compiled_from)
    ground = _Ground(gateway, row, verb, exemption, current, spec, read_live(gateway, spec), now)
    if verb is FlipVerb.EXEMPT:
        _check_sense(ground)
    return ground


def _check_sense(ground: _Ground) -> None:
    spec, namespace = ground.spec, ground.row.namespace
    if spec.name not in ground.live.records:
        raise Refused(f"The policy {spec.name} is gone from the cluster: install it again first.")
    if namespace in spec.parameters.excluded_namespaces:
        raise Refused(f"{spec.name} leaves {namespace} alone: there is nothing to be exempt from.")
    foreign = [each for each in ground.exemption.controls if each not in spec.controls]
    if foreign:
        raise Refused(f"{spec.name} does not ask {', '.join(foreign)} any more: ask anew.")
    for workload in ground.exemption.workloads:
        # Raises when nothing could prove it.
        exempt_pods(spec, ground.exemption, workload)


def _plan(ground: _Ground) -> ExceptionPlan:
    group = exception_kind(ground.spec)
    if group is None:
        return ExceptionPlan(_plan_of(ground, _native(ground)), honoured=True, support="")
    if ground.verb is FlipVerb.END_EXEMPTION:
        objects = tuple(planned_removal(ground.gateway, each) for each in _written(ground.row))
        return ExceptionPlan(_plan_of(ground, objects), honoured=None, support="")
    home = find_home(ground.gateway, ground.row.variant.cluster, group)
    objects = (
        _new_object(ground, home),
        *(planned_removal(ground.gateway, each) for each in _adopted(ground, home)),
    )
    plan = _plan_of(ground, objects)
    return ExceptionPlan(plan, home.support.honoured, home.support.sentence)


def _plan_of(ground: _Ground, objects: tuple[PlannedObject, ...]) -> Plan:
    row = ground.row
    return Plan(
        cluster=row.variant.cluster.name,
        variant=row.variant.name,
        verb=ground.verb,
        namespaces=(row.namespace,),
        enforced_before=ground.live.enforced,
        enforced_after=ground.live.enforced,
        objects=objects,
        gates=_gates(ground),
        verdicts=(),
        audit_namespace="",
        revision=ground.current.compiled_from.number,
        exemption=ground.exemption,
    )


def _gates(ground: _Ground) -> tuple[GateAnswer, ...]:
    """An exemption that ends where the policy is enforced makes it stronger: what would be refused then?"""
    if ground.verb is not FlipVerb.END_EXEMPTION or not ground.is_enforced:
        return ()
    controls = set(ground.exemption.controls)
    still_exempt = {
        workload
        for each in ground.others
        if each.namespace == ground.exemption.namespace and controls <= set(each.controls)
        for workload in each.workloads
    }
    return gates_of_end(
        ground.gateway,
        ground.row,
        ground.spec,
        still_exempt=frozenset(still_exempt),
        now=ground.now,
    )


# Native policies


def _native(ground: _Ground) -> tuple[PlannedObject, ...]:
    own = (ground.exemption,) if ground.verb is FlipVerb.EXEMPT else ()
    spec = replace(ground.spec, exemptions=(*ground.others, *own))
    return planned_objects(
        Ground(ground.gateway, ground.verb, spec, ground.live, ground.current, None),
        ground.live.enforced,
    )


# Objects beside policies

Address = tuple[str, str, str]
"""API version, namespace and name."""


def _new_object(ground: _Ground, home: Home) -> PlannedObject:
    compiled = compile_exception(
        ground.spec,
        ground.exemption,
        api_version=home.api_version,
        namespace=home.namespace,
        kyverno=home.kyverno,
    )
    before = _read(ground.gateway, (home.api_version, home.namespace, compiled.name))
    change = write_of(
        EXCEPTION_KIND,
        home.api_version,
        compiled.name,
        compiled.manifest,
        before,
        namespace=home.namespace,
    )
    try:
        answer = write(ground.gateway, change, decision=DRY_RUN_DECISION, dry_run=True)
    except NotFound as error:
        raise Refused(
            f"Exceptions belong into the namespace {home.namespace}, and the cluster has none of that name:"
            " make it, or set SECPROF_EXCEPTION_NAMESPACE."
        ) from error
    after = answer.manifest
    is_kept = (
        before is not None
        and digest_of(before) == digest_of(after)
        and own_annotations(before) == own_annotations(after)
    )
    return PlannedObject(
        verb="keep" if is_kept else change.verb.value,
        kind=EXCEPTION_KIND,
        api_version=home.api_version,
        name=compiled.name,
        role=ROLE,
        before=before,
        after=after,
        wanted=compiled.manifest,
        before_digest=digest_of(before),
        after_digest=digest_of(after),
        warnings=answer.warnings,
        namespace=home.namespace,
    )


def planned_removal(gateway: Gateway, address: Address) -> PlannedObject:
    """Plan to delete an exception, or to see to it that it is gone. Raises ClusterError."""
    api_version, namespace, name = address
    before = _read(gateway, address)
    warnings: tuple[str, ...] = ()
    if before is not None:
        change = write_of(EXCEPTION_KIND, api_version, name, None, before, namespace=namespace)
        warnings = write(gateway, change, decision=DRY_RUN_DECISION, dry_run=True).warnings
    return PlannedObject(
        verb=Verb.DELETE.value,
        kind=EXCEPTION_KIND,
        api_version=api_version,
        name=name,
        role=ROLE,
        before=before,
        after=None,
        wanted=None,
        before_digest=digest_of(before),
        after_digest=ABSENT,
        warnings=warnings,
        namespace=namespace,
    )


def _read(gateway: Gateway, address: Address) -> Manifest | None:
    api_version, namespace, name = address
    resource = resource_of(EXCEPTION_KIND, api_version)
    try:
        return gateway.get(resource, name, namespace=namespace)
    except NotFound:
        return None


def _written(row: ExceptionRequest) -> Iterator[Address]:
    """Name every place where an attempt to put it into force may have written."""
    plans = (
        Plan.from_json(stored)
        for stored in row.flips.filter(verb=FlipVerb.EXEMPT.value)
        .order_by("requested_at", "pk")
        .values_list("plan", flat=True)
    )
    addresses = (
        (o.api_version, o.namespace, o.name)
        for plan in plans
        for o in plan.objects
        if o.wanted is not None
    )
    yield from dict.fromkeys(addresses)


def _adopted(ground: _Ground, home: Home) -> Iterator[Address]:
    """Name the object of somebody else whose place ours takes."""
    if not ground.row.adopted_from:
        return
    _, namespace, name = address_of(ground.row.adopted_from)
    yield home.api_version, namespace, name
