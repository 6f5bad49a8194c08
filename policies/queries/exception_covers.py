"""What an exception would cover, from what was collected last: live objects, what it misses, and the objects it takes.

Nothing is asked of a cluster here; the plan that is made at the approval does that.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from policies.domain.controls import in_order
from policies.domain.exceptions import (
    EXCEPTION_VERSIONS,
    ExceptionKind,
    InvalidExemption,
    also_covers,
    compile_exception,
    exception_kind,
)
from policies.domain.exemptions import Exemption, WorkloadName
from policies.domain.library import InvalidVariant, VariantSpec, compile_objects
from policies.domain.plans import Manifest
from policies.models import Cluster
from policies.queries.exception_pages import Askable
from policies.queries.exception_support import Heeded, heeded_by

NEW = "new"
"""Stands for the key that an exception is given when it is asked for."""
EXAMPLE = "example"
"""Stands for a namespace where nothing is enforced yet: only with one is there a twin to exempt from."""


@dataclass(frozen=True, slots=True)
class CoverObject:
    """One object that would be written, and what it replaces."""

    kind: str
    name: str
    namespace: str
    """Where it lies; empty for one of the whole cluster."""
    before: Manifest | None
    after: Manifest


@dataclass(frozen=True, slots=True)
class Cover:
    """What an exception comes to."""

    workload_count: int
    """Named workloads that live now."""
    pod_count: int
    absent: tuple[WorkloadName, ...]
    """Named, and not there."""
    passing: tuple[WorkloadName, ...]
    """Named, and not failing."""
    also: tuple[WorkloadName, ...]
    """Not named, and covered all the same."""
    is_whole: bool
    """This kind of policy cannot exempt from single rules."""
    heeded: Heeded | None
    """Whether the cluster would heed it; None where its policies carry it themselves."""
    objects: tuple[CoverObject, ...]
    trouble: str
    """Why it cannot be written; empty when it can."""


def draft_exemption(
    namespace: str,
    workloads: Iterable[WorkloadName],
    controls: Iterable[str],
    ends_at: datetime,
    *,
    key: str = NEW,
) -> Exemption:
    """Make the exemption that is asked for, as if it had been agreed to."""
    return Exemption(
        key=key,
        namespace=namespace,
        workloads=tuple(sorted(workloads)),
        controls=in_order(controls),
        ends_at=ends_at,
        approved_by="",
        reason="",
    )


def cover_of(cluster: Cluster, spec: VariantSpec, found: Askable, exemption: Exemption) -> Cover:
    """Say what an exemption from this variant would cover in its namespace."""
    if exempts_from_the_whole(spec):
        exemption = replace(exemption, controls=spec.controls)
    here = dict(found.workloads)
    named = [(name, here[name]) for name in exemption.workloads if name in here]
    kind = exception_kind(spec)
    heeded = heeded_by(cluster, kind) if kind else None
    objects, trouble = _objects(spec, exemption, heeded)
    return Cover(
        workload_count=len(named),
        pod_count=sum(workload.pod_count for _, workload in named),
        absent=tuple(name for name in exemption.workloads if name not in here),
        passing=tuple(name for name, workload in named if not workload.would_fail),
        also=_also(exemption, here),
        is_whole=exempts_from_the_whole(spec),
        heeded=heeded,
        objects=objects,
        trouble=trouble,
    )


def exempts_from_the_whole(spec: VariantSpec) -> bool:
    """Say whether this kind of policy cannot exempt from single rules."""
    return exception_kind(spec) is not ExceptionKind.KYVERNO


def _also(exemption: Exemption, here: Collection[WorkloadName]) -> tuple[WorkloadName, ...]:
    try:
        return also_covers(exemption, here)
    except InvalidExemption:
        return ()


def _objects(
    spec: VariantSpec, exemption: Exemption, heeded: Heeded | None
) -> tuple[tuple[CoverObject, ...], str]:
    kind = exception_kind(spec)
    try:
        if kind is None or heeded is None:
            return _native(spec, exemption), ""
        made = compile_exception(
            spec,
            exemption,
            api_version=EXCEPTION_VERSIONS[kind][0],
            namespace=heeded.namespace,
            kyverno=heeded.kyverno,
        )
    except (InvalidExemption, InvalidVariant) as error:
        return (), str(error)
    return (CoverObject(made.kind, made.name, made.namespace, None, made.manifest),), ""


def _native(spec: VariantSpec, exemption: Exemption) -> tuple[CoverObject, ...]:
    """Compile a policy of the API server's own without and with the exemption: it carries it itself."""
    exempting = replace(spec, exemptions=(*spec.exemptions, exemption))
    before = {(o.kind, o.name): o.manifest for o in compile_objects(spec, (EXAMPLE,))}
    return tuple(
        CoverObject(o.kind, o.name, "", before.get((o.kind, o.name)), o.manifest)
        for o in compile_objects(exempting, (EXAMPLE,))
        if before.get((o.kind, o.name)) != o.manifest
    )
