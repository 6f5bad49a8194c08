"""The engine of one cluster as its page shows it: controllers, settings, hazards, and where enforcement has no effect."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings as django_settings

from policies.domain.enforceability import Obstacle
from policies.domain.engine_settings import EngineSettings
from policies.domain.exceptions import ExceptionKind, Support, agreed_namespace, exception_support
from policies.domain.hazards import Hazard, hazards
from policies.domain.report_limits import Reason, report_limits
from policies.models import Cluster, EngineState
from policies.queries.engine_settings import engine_settings_of
from policies.queries.evidence import barred_by
from policies.queries.reach import Reach

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Reading:
    """When one part of the settings was read last, and why not since."""

    read_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True)
class BarredSpace:
    """One namespace in which enforcement has no effect."""

    name: str
    team: str
    obstacles: tuple[Obstacle, ...]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class BarredSpaces:
    """One page of them, of those that are seen."""

    rows: tuple[BarredSpace, ...]
    total_count: int
    page: int
    page_count: int


@dataclass(frozen=True, slots=True)
class ExceptionSupport:
    """How exceptions of one kind fare."""

    kind: ExceptionKind
    support: Support


@dataclass(frozen=True, slots=True)
class EnginePage:
    """Everything that the page of one engine shows."""

    settings: EngineSettings
    hazards: tuple[Hazard, ...]
    limits: tuple[Reason, ...]
    exceptions: tuple[ExceptionSupport, ...]
    spaces: BarredSpaces
    is_whole: bool
    """All of the cluster is seen: settings name namespaces, and are shown to nobody else."""
    config: Reading
    config_name: str
    """Namespace and name; empty where Kyverno was not found."""
    has_config: bool
    """There is such a ConfigMap; Kyverno does without."""
    webhooks: Reading


def engine_page(cluster: Cluster, *, reach: Reach, page: int) -> EnginePage:
    """Load the page, in four queries."""
    state = EngineState.objects.filter(cluster=cluster).first() or EngineState(cluster=cluster)
    found = engine_settings_of(cluster, state)
    return EnginePage(
        settings=found,
        hazards=hazards(found),
        limits=report_limits(found),
        exceptions=tuple(_support(found, kind) for kind in ExceptionKind),
        spaces=barred_spaces(cluster, reach=reach, page=page),
        is_whole=reach.sees_all_of(cluster.pk),
        config=Reading(state.config_read_at, state.config_failure),
        config_name=f"{state.namespace}/{state.config_name}" if state.namespace else "",
        has_config=bool(state.config),
        webhooks=Reading(state.webhooks_read_at, state.webhooks_failure),
    )


def barred_spaces(cluster: Cluster, *, reach: Reach, page: int) -> BarredSpaces:
    """Load one page of the namespaces where enforcement has no effect, by name, in two queries."""
    rows = reach.namespaces().filter(cluster=cluster).exclude(not_enforceable=[])
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(1, page), pages)
    start = (number - 1) * PAGE_SIZE
    found = []
    for row in rows.order_by("name")[start : start + PAGE_SIZE]:
        barred = barred_by(row.not_enforceable, row.not_enforceable_since)
        if barred is not None:
            found.append(BarredSpace(row.name, row.team, barred.obstacles, barred.since))
    return BarredSpaces(tuple(found), total, number, pages)


def _support(found: EngineSettings, kind: ExceptionKind) -> ExceptionSupport:
    usual = django_settings.SECPROF_EXCEPTION_NAMESPACE
    namespace = agreed_namespace(found.controllers, kind, usual)
    return ExceptionSupport(kind, exception_support(found.controllers, kind, namespace))
