"""Collection runs, and how fresh each kind's snapshot is."""

import uuid

from django.db import models

from policies.models.cluster import Cluster


class CollectionRun(models.Model):
    """One read of one cluster."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        COMPLETE = "complete", "Complete"
        PARTIAL = "partial", "Partial"
        FAILED = "failed", "Failed"

    class Mode(models.TextChoices):
        FULL = "full", "Full"
        """Every kind was listed to its last page."""
        CATCH_UP = "catch-up", "Catch-up"
        """What happened since the run before was watched."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="runs")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.FULL)
    requested_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict)
    """Objects read, by plural resource name: {"pods": 120}; of a catch-up the changes."""
    is_up_to_date = models.BooleanField(default=True)
    """False for a catch-up that the cluster had more to tell than there was time for."""
    problems = models.JSONField(default=list)
    """What could not be read: [{"kind", "object", "reason"}], the first 200."""
    problem_count = models.PositiveIntegerField(default=0)
    request_count = models.PositiveIntegerField(default=0)
    received_bytes = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    peak_mb = models.FloatField(default=0)
    error_reason = models.CharField(max_length=20, blank=True)
    error_message = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster"], condition=models.Q(state="running"), name="one_run_per_cluster"
            ),
            models.CheckConstraint(
                condition=models.Q(state="running") | models.Q(finished_at__isnull=False),
                name="ended_run_has_its_time",
            ),
        ]
        indexes = [models.Index(fields=["cluster", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.started_at:%Y-%m-%d %H:%M:%S}"


class KindSnapshot(models.Model):
    """How fresh and complete the stored copy of one kind on one cluster is."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="snapshots")
    kind = models.CharField(max_length=100)
    """Plural resource name and group: `deployments.apps`, `pods`."""
    run = models.ForeignKey(CollectionRun, on_delete=models.SET_NULL, null=True, related_name="+")
    completed_at = models.DateTimeField(null=True, blank=True)
    """When the last read that left the copy complete began, a watch included; None when there was none yet."""
    listed_at = models.DateTimeField(null=True, blank=True)
    """When the last full list of this kind began."""
    version = models.CharField(max_length=20, blank=True)
    """The API version that it was read in: a watch goes on in the same."""
    resource_version = models.CharField(max_length=64, blank=True)
    """Where a watch goes on; empty when this kind cannot be watched."""
    object_count = models.PositiveIntegerField(default=0)
    served = models.BooleanField(default=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True)
    """Why the newest read did not finish; empty when it did."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "kind"], name="one_snapshot_per_kind")
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.kind}"


class ClusterTraffic(models.Model):
    """What the collection of one cluster cost in one hour."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="traffic")
    hour = models.DateTimeField()
    """Its beginning, in UTC."""
    request_count = models.PositiveIntegerField(default=0)
    received_bytes = models.PositiveBigIntegerField(default=0)
    """As on the wire, compressed."""
    run_count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "hour"], name="one_traffic_per_hour")
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.hour:%Y-%m-%d %H}h"
