"""What was: findings that are over, and the state at the end of each day. Days are days in UTC.

Kept for `SECPROF_HISTORY_DAYS`. Open findings are rows of ObservedResult.
"""

from django.db import models

from policies.domain.findings import Closing
from policies.models.cluster import Cluster

COUNTS = (
    "pass_count",
    "fail_count",
    "warn_count",
    "error_count",
    "skip_count",
    "failing_workload_count",
    "judged_workload_count",
)
"""The state at the end of a day, as ResultTally has it."""
MOVES = ("opened_count", "closed_count")
"""What the day moved."""


class ClosedFinding(models.Model):
    """A result that failed once and does so no more. One that comes back begins anew."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=253)
    policy = models.CharField(max_length=253)
    rule = models.CharField(max_length=253, blank=True)
    raw_rule = models.CharField(max_length=253, blank=True)
    outcome = models.CharField(max_length=8)
    """The last one that it had."""
    kind = models.CharField(max_length=63)
    namespace = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    top_kind = models.CharField(max_length=63)
    top_name = models.CharField(max_length=253)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    """When the last collection that saw it began."""
    closed_at = models.DateTimeField()
    """When the collection that no longer saw it began."""
    reason = models.CharField(max_length=14, choices=[(c.value, c.value) for c in Closing])

    class Meta:
        indexes = [
            models.Index(fields=["cluster", "namespace", "closed_at"]),
            models.Index(fields=["cluster", "policy", "closed_at"]),
            models.Index(fields=["cluster", "closed_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.policy}/{self.raw_rule} {self.uid} {self.closed_at}"


class CollectedDay(models.Model):
    """A day on which a cluster's reports were collected. A day without a row is a gap: nobody looked."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    noted_at = models.DateTimeField()
    """When the last collection began that the day's figures hold."""
    teams_digest = models.CharField(max_length=32, blank=True)
    """Of who owned which namespace then: totals of teams are made anew when that has changed."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "day"], name="one_row_per_collected_day")
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.day}"


class Figures(models.Model):
    """What is counted of one policy on one day: the state at the day's end, and what the day moved."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    source = models.CharField(max_length=253)
    policy = models.CharField(max_length=253)
    pass_count = models.PositiveIntegerField(default=0)
    fail_count = models.PositiveIntegerField(default=0)
    warn_count = models.PositiveIntegerField(default=0)
    error_count = models.PositiveIntegerField(default=0)
    skip_count = models.PositiveIntegerField(default=0)
    failing_workload_count = models.PositiveIntegerField(default=0)
    """As in ResultTally, which says what counts."""
    judged_workload_count = models.PositiveIntegerField(default=0)
    opened_count = models.PositiveIntegerField(default=0)
    """Findings first seen on this day, those that are closed again among them."""
    closed_count = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class DailyTally(Figures):
    """One policy in one namespace on a day on which it changed; a day without a row is like the one before."""

    namespace = models.CharField(max_length=63, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "policy", "namespace", "day", "source"], name="one_daily_tally"
            )
        ]
        indexes = [models.Index(fields=["cluster", "day"])]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.day} {self.policy} {self.namespace}"


class DailyTotal(Figures):
    """One policy on every collected day, over the whole cluster and for each team."""

    EVERY_TEAM = "*"
    """Stands for the whole cluster: no label has this value."""

    team = models.CharField(max_length=63, blank=True)
    """The one that owned the namespaces then; empty for namespaces without a team."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "policy", "team", "day", "source"], name="one_daily_total"
            )
        ]
        indexes = [models.Index(fields=["cluster", "day"])]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.day} {self.policy} {self.team}"
