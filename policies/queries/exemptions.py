"""The exceptions in force, workload by workload, and whether the last collection shows that they still exempt.

Only an exception that was proven on its cluster counts, and only as long as nothing that was read since speaks against it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from policies.cluster.gateway import EXCEPTION_KINDS
from policies.domain.engines import ControllerSettings
from policies.domain.exceptions import ExceptionKind, exception_support
from policies.domain.library import Target
from policies.domain.lifecycle import ExceptionStatus
from policies.models import ExceptionRequest, KindSnapshot, ObservedException, Variant
from policies.queries.engine_settings import controllers_by_cluster

Key = tuple[str, str]
"""Kind and name of a top-level workload."""
Place = tuple[int, str]
"""Variant id and namespace."""

_KINDS = {
    Target.CLUSTER_POLICY.value: ExceptionKind.KYVERNO,
    Target.VALIDATING_POLICY.value: ExceptionKind.CEL,
}
"""By target; a native policy carries its exceptions itself, and one that was edited has drifted."""
_LISTED_AS = {ExceptionKind(resource.group): resource.full_name for resource in EXCEPTION_KINDS}


@dataclass(frozen=True, slots=True)
class Exempt:
    """What exempts one workload in one namespace from one variant."""

    exception_id: UUID
    exception_key: str
    controls: frozenset[str]
    until: datetime
    """The latest end, where several exceptions name it."""

    def joined(self, other: "Exempt") -> "Exempt":
        """Join two exceptions for one workload."""
        latest = max(self, other, key=lambda each: each.until)
        return replace(latest, controls=self.controls | other.controls)


Exempts = Mapping[Place, Mapping[Key, Exempt]]


def exempt_workloads(
    variants: Sequence[Variant], namespaces: Collection[str] | None = None
) -> Exempts:
    """Find the workloads that exceptions in force exempt, by variant and namespace, in one query."""
    return _by_place(_in_force(variants, namespaces))


def exempt_still(variants: Sequence[Variant], namespaces: Collection[str] | None = None) -> Exempts:
    """Find the same without those that exempt no longer, as far as was read: one query, and three more if there are any."""
    rows = _in_force(variants, namespaces)
    if not rows:
        return {}
    by_id = {variant.pk: variant for variant in variants}
    ground = _ground(rows, {by_id[row.variant_id].cluster_id for row in rows})
    return _by_place(row for row in rows if ground.bears(row, by_id[row.variant_id]))


def _in_force(
    variants: Sequence[Variant], namespaces: Collection[str] | None
) -> list[ExceptionRequest]:
    rows = ExceptionRequest.objects.filter(
        variant__in=variants, status=ExceptionStatus.IN_FORCE.value
    )
    if namespaces is not None:
        rows = rows.filter(namespace__in=namespaces)
    return list(rows.order_by("created_at", "id"))


def _by_place(rows: Iterable[ExceptionRequest]) -> Exempts:
    found: dict[Place, dict[Key, Exempt]] = {}
    for row in rows:
        until = row.approved_ends_at
        if until is None:
            continue  # No row that is in force is without an end.
        here = found.setdefault((row.variant_id, row.namespace), {})
        exempt = Exempt(row.id, row.key, frozenset(row.controls), until)
        for workload in row.approved_workloads:
            key = (workload["kind"], workload["name"])
            here[key] = here[key].joined(exempt) if key in here else exempt
    return found


@dataclass(frozen=True, slots=True)
class _Ground:
    """What was read of clusters that exceptions rest on."""

    homes: Mapping[tuple[int, str], str]
    """The namespace in which the object lies, by cluster and key of the exception."""
    read_at: Mapping[tuple[int, str], datetime | None]
    """When each kind was last read to its end, by cluster and name of the kind."""
    controllers: Mapping[int, tuple[ControllerSettings, ...]]

    def bears(self, row: ExceptionRequest, variant: Variant) -> bool:
        """Say that nothing read since it came into force shows that it exempts no longer."""
        kind = _KINDS.get(variant.target)
        if kind is None:
            return True
        home = self.homes.get((variant.cluster_id, row.key))
        if home is None:
            at = self.read_at.get((variant.cluster_id, _LISTED_AS[kind]))
            return at is None or row.in_force_at is None or at <= row.in_force_at
        settings = self.controllers.get(variant.cluster_id, ())
        return exception_support(settings, kind, home).honoured is not False


def _ground(rows: list[ExceptionRequest], cluster_ids: Collection[int]) -> _Ground:
    lying = ObservedException.objects.filter(
        cluster_id__in=cluster_ids, exception_key__in=[row.key for row in rows]
    ).values_list("cluster_id", "exception_key", "namespace")
    read = KindSnapshot.objects.filter(
        cluster_id__in=cluster_ids, kind__in=_LISTED_AS.values()
    ).values_list("cluster_id", "kind", "completed_at")
    return _Ground(
        homes={(cluster_id, key): namespace for cluster_id, key, namespace in lying},
        read_at={(cluster_id, kind): at for cluster_id, kind, at in read},
        controllers=controllers_by_cluster(cluster_ids),
    )
