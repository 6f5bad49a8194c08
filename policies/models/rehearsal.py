"""Rehearsals: what the engine itself said to the pods that a namespace's workloads would create."""

import uuid

from django.db import models

from policies.models.variant import Variant


class Rehearsal(models.Model):
    """One rehearsal of one variant in one namespace."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    variant = models.ForeignKey(Variant, on_delete=models.CASCADE, related_name="rehearsals")
    namespace = models.CharField(max_length=63)
    state = models.CharField(max_length=10, choices=State.choices)
    requested_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    """When it was asked for; it may wait for a worker."""
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    """When its worker last said that it lives; None while it waits for one."""
    finished_at = models.DateTimeField(null=True, blank=True)
    workload_count = models.PositiveIntegerField(default=0)
    admitted_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(default=0)
    """Would be refused: the policy warned, or its twin denied."""
    unjudged_count = models.PositiveIntegerField(default=0)
    """No verdict of ours: refused by something else, not sent, or an error."""
    message = models.TextField(blank=True)
    is_latest = models.BooleanField(default=False)
    """The last one that was finished here: the one that gates ask for."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["variant", "namespace"],
                condition=models.Q(state="running"),
                name="one_rehearsal_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["variant", "namespace"],
                condition=models.Q(is_latest=True),
                name="one_latest_rehearsal",
            ),
        ]
        indexes = [models.Index(fields=["variant", "namespace", "-started_at"])]

    def __str__(self) -> str:
        return f"{self.variant_id}/{self.namespace} {self.started_at:%Y-%m-%d %H:%M:%S}"


class RehearsedWorkload(models.Model):
    """The engine's answer for one workload's own pod."""

    rehearsal = models.ForeignKey(Rehearsal, on_delete=models.CASCADE, related_name="workloads")
    kind = models.CharField(max_length=24)
    name = models.CharField(max_length=253)
    outcome = models.CharField(max_length=20)
    """`admitted`, `refused` or `unjudged`."""
    message = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rehearsal", "kind", "name"], name="one_answer_per_workload"
            )
        ]

    def __str__(self) -> str:
        return f"{self.rehearsal_id} {self.kind}/{self.name}"
