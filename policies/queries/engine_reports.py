"""How complete the reports of the engines on some clusters can be: by their settings, and by their newest result."""

from collections.abc import Collection

from policies.domain.engine_settings import EngineSettings
from policies.domain.readiness import ReportsEvidence
from policies.domain.report_limits import Limit, report_limits, scan_interval
from policies.models import ReportOrigin
from policies.queries.engine_settings import controllers_by_cluster

_TOLD_BY_AGE = frozenset({Limit.NO_CONTROLLER})
"""A controller that was not found may run elsewhere: whether anybody reports is seen from the newest result."""


def load_reports_evidence(cluster_ids: Collection[int]) -> dict[tuple[int, str], ReportsEvidence]:
    """Load what is known by cluster id and source, in two queries."""
    controllers = controllers_by_cluster(cluster_ids)
    found: dict[tuple[int, str], ReportsEvidence] = {}
    origins = ReportOrigin.objects.filter(cluster_id__in=cluster_ids, is_counted=True)
    for cluster_id, source, newest_at in origins.values_list("cluster_id", "source", "newest_at"):
        settings = EngineSettings(controllers=controllers.get(cluster_id, ()))
        found[cluster_id, source] = ReportsEvidence(
            limits=limits_of(settings),
            newest_at=newest_at,
            scan_interval=scan_interval(settings),
        )
    return found


def limits_of(settings: EngineSettings) -> tuple[str, ...]:
    """Name the settings by which a failure may be missing from reports."""
    if not settings.controllers:
        return ()
    return tuple(
        reason.sentence
        for reason in report_limits(settings)
        if reason.hides_failures and reason.limit not in _TOLD_BY_AGE
    )
