"""Workloads that do not meet what a variant asks, by top-level owner: what would be refused, and when."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby, islice

from policies.domain.judges import Judge
from policies.models import ObservedWorkload, Variant
from policies.queries.reach import Reach
from policies.queries.specs import written_judges

CHUNK = 25


@dataclass(frozen=True, slots=True)
class Fault:
    """One control that one container does not meet."""

    control: str
    container: str
    """Empty for the pod itself."""
    role: str
    path: str
    declared: str
    message: str


@dataclass(frozen=True, slots=True)
class Offender:
    """A top-level workload with its faults, its own and those of what it owns."""

    namespace: str
    kind: str
    name: str
    schedule: str
    replicas: int | None
    pod_count: int
    is_suspended: bool
    helm_release: str
    faults: tuple[Fault, ...]


def offenders(
    variant: Variant,
    namespaces: Collection[str],
    *,
    reach: Reach,
    judge: Judge | None = None,
    limit: int | None = None,
) -> tuple[Offender, ...]:
    """List the offending workloads of some namespaces in reach, by namespace, kind and name, in two queries.

    Without a judge, that of what the cluster holds of the variant is asked. With a limit no more rows are read than it
    takes to reach it.
    """
    asked = judge or written_judges([variant])[variant.pk]
    rows = (
        ObservedWorkload.objects.filter(
            reach.in_namespaces(),
            cluster_id=variant.cluster_id,
            namespace__in=namespaces,
            finding_count__gt=0,
        )
        .defer("containers", "hardening", "patches")
        .order_by("namespace", "top_kind", "top_name", "kind", "name")
    )
    failing = (row for row in rows.iterator(chunk_size=CHUNK) if faults_of(row, asked))
    grouped = groupby(failing, key=lambda row: (row.namespace, row.top_kind, row.top_name))
    found = (_offender(key, list(members), asked) for key, members in grouped)
    return tuple(islice(found, limit))


def faults_of(row: ObservedWorkload, judge: Judge) -> tuple[Fault, ...]:
    """Read the findings of a row that this judge made."""
    return tuple(
        Fault(
            f["control"], f["container"], f["role"] or "pod", f["path"], f["declared"], f["message"]
        )
        for f in row.findings
        if f.get("judge", "") == judge.tag and f["control"] in judge.controls
    )


def _offender(key: tuple[str, str, str], members: list[ObservedWorkload], judge: Judge) -> Offender:
    namespace, kind, name = key
    top = next((m for m in members if m.kind == kind and m.name == name), members[0])
    faults = dict.fromkeys(f for m in members for f in faults_of(m, judge))
    return Offender(
        namespace=namespace,
        kind=kind,
        name=name,
        schedule=top.schedule,
        replicas=top.replicas,
        pod_count=top.pod_count,
        is_suspended=top.is_suspended,
        helm_release=top.helm_release,
        faults=tuple(faults),
    )
