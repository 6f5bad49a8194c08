"""The posture of one cluster's workloads, container by container, filtered and paged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from policies.domain.controls import Control, Mechanism
from policies.domain.posture import Grade, Weakness
from policies.models import Cluster, ObservedWorkload, Variant
from policies.queries.reach import Reach

PAGE_SIZE = 20
MOST_COUNTED = 1000
CONTROLS = tuple(control.value for control in Control)
WEAKNESSES = tuple(weakness.value for weakness in Weakness)
GRADES = tuple(grade.value for grade in Grade)


@dataclass(frozen=True, slots=True)
class PostureFilter:
    """What to show; empty values do not filter."""

    team: str = ""
    namespace: str = ""
    control: str = ""
    """Only workloads with a finding of this control."""
    grade: str = ""
    """Only workloads with a container of this grade."""
    weakness: str = ""
    """Only workloads that something of this kind weakens."""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """One container's profile of one mechanism."""

    declared: str
    profile: str
    source: str
    effective: str
    grade: str


@dataclass(frozen=True, slots=True)
class ContainerLine:
    """One container with what confines it."""

    name: str
    role: str
    is_privileged: bool
    seccomp: Profile | None
    """None for a row of an older collection, which must be made anew."""
    apparmor: Profile | None


@dataclass(frozen=True, slots=True)
class WeaknessLine:
    """What else weakens a workload, beside what controls ask."""

    weakness: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class WorkloadPosture:
    """One workload, or an object below one that has findings of its own."""

    kind: str
    name: str
    namespace: str
    team: str
    owner: str
    """Kind and name of the top-level workload, unless it is that itself."""
    is_applicable: bool
    containers: tuple[ContainerLine, ...]
    controls: tuple[str, ...]
    """Controls with a finding, in order."""
    weaknesses: tuple[WeaknessLine, ...]


@dataclass(frozen=True, slots=True)
class PosturePage:
    """One page of workloads."""

    workloads: tuple[WorkloadPosture, ...]
    total_count: int
    has_more: bool
    """More workloads fit than were counted."""
    page: int
    page_count: int
    teams: tuple[str, ...]
    namespaces: tuple[str, ...]
    variants: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Id, name and controls of the cluster's variants: what a workload may be reviewed for."""


def load_posture(cluster: Cluster, wanted: PostureFilter, *, reach: Reach) -> PosturePage:
    """Load one page, in a fixed number of queries."""
    spaces = dict(
        reach.namespaces().filter(cluster=cluster).order_by("name").values_list("name", "team")
    )
    rows = _matching(cluster, wanted, spaces).filter(reach.in_namespaces())
    # What a filter finds in the text of a workload is counted up to a limit: there is no index to count by.
    is_text = bool(wanted.control or wanted.grade or wanted.weakness)
    found = rows[: MOST_COUNTED + 1].count() if is_text else rows.count()
    total = min(found, MOST_COUNTED) if is_text else found
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(1, wanted.page), pages)
    ordered = rows.order_by("namespace", "top_kind", "top_name", "kind", "name")
    shown = ordered[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    variants = Variant.objects.filter(cluster=cluster).order_by("name")
    return PosturePage(
        workloads=tuple(_workload(row, spaces.get(row.namespace, "")) for row in shown),
        total_count=total,
        has_more=found > total,
        page=page,
        page_count=pages,
        teams=tuple(sorted({team for team in spaces.values() if team})),
        namespaces=tuple(spaces),
        variants=tuple((v.pk, v.name, tuple(v.controls)) for v in variants),
    )


def _matching(
    cluster: Cluster, wanted: PostureFilter, spaces: Mapping[str, str]
) -> QuerySet[ObservedWorkload]:
    rows = ObservedWorkload.objects.filter(cluster=cluster).defer("patches")
    if wanted.namespace:
        rows = rows.filter(namespace=wanted.namespace)
    if wanted.team:
        rows = rows.filter(namespace__in=[n for n, team in spaces.items() if team == wanted.team])
    # As text: SQLite cannot look into a list of JSON.
    if wanted.control:
        rows = (
            rows.filter(finding_count__gt=0)
            .alias(found=Cast("findings", TextField()))
            .filter(_member("found", "control", wanted.control))
        )
    if wanted.grade:
        rows = rows.alias(held=Cast("containers", TextField())).filter(
            _member("held", "grade", wanted.grade)
        )
    if wanted.weakness:
        rows = rows.alias(weak=Cast("hardening", TextField())).filter(
            _member("weak", "weakness", wanted.weakness)
        )
    return rows


def _member(column: str, key: str, value: str) -> Q:
    return Q(**{f"{column}__contains": f'"{key}": "{value}"'})


def _workload(row: ObservedWorkload, team: str) -> WorkloadPosture:
    is_top = (row.kind, row.name) == (row.top_kind, row.top_name)
    return WorkloadPosture(
        kind=row.kind,
        name=row.name,
        namespace=row.namespace,
        team=team,
        owner="" if is_top else f"{row.top_kind} {row.top_name}",
        is_applicable=row.is_applicable,
        containers=tuple(_container(c) for c in row.containers),
        controls=_controls(row.findings),
        weaknesses=tuple(
            WeaknessLine(w["weakness"], w["path"], w["message"]) for w in row.hardening
        ),
    )


def _controls(findings: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    found = {f.get("control") for f in findings}
    return tuple(control for control in CONTROLS if control in found)


def _container(stored: Mapping[str, Any]) -> ContainerLine:
    return ContainerLine(
        name=str(stored.get("name", "")),
        role=str(stored.get("role", "")),
        is_privileged=bool(stored.get("privileged")),
        seccomp=_profile(stored.get(Mechanism.SECCOMP.value)),
        apparmor=_profile(stored.get(Mechanism.APPARMOR.value)),
    )


def _profile(stored: object) -> Profile | None:
    if not isinstance(stored, Mapping):
        return None
    return Profile(**{name: str(stored.get(name) or "") for name in Profile.__dataclass_fields__})
