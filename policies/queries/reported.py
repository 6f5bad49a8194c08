"""How fresh and how complete the reports of one cluster are, policy by policy, and what its collection costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Max, Min, Sum

from policies.domain.report_limits import Reason, report_limits
from policies.models import Cluster, ClusterTraffic, ReportOrigin, ResultTally
from policies.queries.engine_settings import engine_settings_of
from policies.queries.reach import Reach

POLICIES_SHOWN = 50
TRAFFIC_HOURS = 24


@dataclass(frozen=True, slots=True)
class ReportedPolicy:
    """The reports on one policy, over all namespaces in reach."""

    source: str
    policy: str
    result_count: int
    newest_at: datetime | None
    oldest_at: datetime | None
    """None when some result does not say when it was made."""
    gone_count: int
    """Workloads that no longer exist, of which a report still says that they fail."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Results that do not count: the same source has fresher ones in the other group of the report API."""

    source: str
    group: str
    newest_at: datetime | None
    counted_group: str
    counted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hour:
    """What the collection of a cluster cost in one hour."""

    hour: datetime
    run_count: int
    request_count: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Reported:
    """Everything that is known about the reports of one cluster."""

    policies: tuple[ReportedPolicy, ...]
    """The stalest first, `POLICIES_SHOWN` at most."""
    policy_count: int
    passed_over: tuple[PassedOver, ...]
    limits: tuple[Reason, ...]
    """Why reports may be incomplete by the engine's own settings."""
    traffic: tuple[Hour, ...] | None
    """The newest first; None where not all of the cluster is seen."""

    @property
    def request_count(self) -> int:
        return sum(hour.request_count for hour in self.traffic or ())

    @property
    def received_bytes(self) -> int:
        return sum(hour.received_bytes for hour in self.traffic or ())


def reported_on(cluster: Cluster, *, reach: Reach, now: datetime) -> Reported:
    """Load how fresh and complete the reports of a cluster are, in six queries."""
    policies = ResultTally.objects.filter(reach.in_namespaces(), cluster=cluster).values(
        "source", "policy"
    )
    found = policies.annotate(
        newest=Max("newest_at"),
        oldest=Min("oldest_at"),
        gone=Sum("gone_workload_count"),
        results=Sum(
            F("pass_count") + F("fail_count") + F("warn_count") + F("error_count") + F("skip_count")
        ),
    ).order_by(F("newest").asc(nulls_first=True), "policy", "source")
    hours = ClusterTraffic.objects.filter(
        cluster=cluster, hour__gt=now - timedelta(hours=TRAFFIC_HOURS)
    )
    return Reported(
        policies=tuple(
            ReportedPolicy(
                row["source"],
                row["policy"],
                row["results"],
                row["newest"],
                row["oldest"],
                row["gone"],
            )
            for row in found[:POLICIES_SHOWN]
        ),
        policy_count=found.count(),
        passed_over=_passed_over(ReportOrigin.objects.filter(cluster=cluster)),
        limits=report_limits(engine_settings_of(cluster)) if cluster.kyverno_version else (),
        traffic=tuple(
            Hour(row.hour, row.run_count, row.request_count, row.received_bytes)
            for row in hours.order_by("-hour")
        )
        if reach.sees_all_of(cluster.pk)
        else None,
    )


def _passed_over(rows: Iterable[ReportOrigin]) -> tuple[PassedOver, ...]:
    origins = list(rows)
    counted = {row.source: row for row in origins if row.is_counted}
    return tuple(
        PassedOver(
            row.source,
            row.group,
            row.newest_at,
            counted[row.source].group,
            counted[row.source].newest_at,
        )
        for row in origins
        if not row.is_counted and row.source in counted
    )
