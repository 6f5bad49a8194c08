"""Workloads that do not meet the controls of a variant, by top-level owner: what would be refused, and when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from policies.models import ObservedWorkload, Variant


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
    variant: Variant, namespaces: Collection[str], *, limit: int | None = None
) -> tuple[Offender, ...]:
    """List the offending workloads of some namespaces, by namespace, kind and name, in one query."""
    rows = (
        ObservedWorkload.objects.filter(
            cluster_id=variant.cluster_id,
            namespace__in=namespaces,
            finding_count__gt=0,
            is_applicable=True,
        )
        .defer("containers", "patches")
        .order_by("namespace", "top_kind", "top_name", "kind", "name")
    )
    grouped: dict[tuple[str, str, str], list[ObservedWorkload]] = {}
    for row in rows:
        if faults_of(row, variant.controls):
            grouped.setdefault((row.namespace, row.top_kind, row.top_name), []).append(row)
    found = tuple(_offender(key, members, variant) for key, members in grouped.items())
    return found[:limit] if limit else found


def faults_of(row: ObservedWorkload, controls: Sequence[str]) -> tuple[Fault, ...]:
    """Read the findings of a row that these controls ask about."""
    return tuple(
        Fault(
            f["control"], f["container"], f["role"] or "pod", f["path"], f["declared"], f["message"]
        )
        for f in row.findings
        if f["control"] in controls
    )


def _offender(
    key: tuple[str, str, str], members: list[ObservedWorkload], variant: Variant
) -> Offender:
    namespace, kind, name = key
    top = next((m for m in members if m.kind == kind and m.name == name), members[0])
    faults = dict.fromkeys(f for m in members for f in faults_of(m, variant.controls))
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
