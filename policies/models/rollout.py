"""Rollouts: how far the push of one revision has got, step by step."""

import uuid

from django.db import models

from policies.domain.lifecycle import (
    ACTIVE_ROLLOUT_STATUSES,
    RolloutStatus,
    StepKind,
    StepStatus,
)
from policies.models.flip import Flip
from policies.models.variant import DesiredRevision, Variant


class Rollout(models.Model):
    """The push of one flip's revision to its cluster."""

    Status = RolloutStatus

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    flip = models.OneToOneField(Flip, on_delete=models.PROTECT, related_name="rollout")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="rollouts")
    revision = models.OneToOneField(
        DesiredRevision, on_delete=models.PROTECT, related_name="rollout"
    )
    status = models.CharField(max_length=12, choices=[(s.value, s.value) for s in RolloutStatus])
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=64, blank=True)
    """The worker that holds it; empty when nobody does."""
    claim_ends_at = models.DateTimeField(null=True, blank=True)
    claim_count = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["variant"],
                condition=models.Q(status__in=[s.value for s in sorted(ACTIVE_ROLLOUT_STATUSES)]),
                name="one_active_rollout_per_variant",
            )
        ]
        indexes = [models.Index(fields=["status", "claim_ends_at"])]

    def __str__(self) -> str:
        return f"rollout {self.id}"


class RolloutStep(models.Model):
    """One step: a row before it happens, and its answer after."""

    Kind = StepKind
    Status = StepStatus

    rollout = models.ForeignKey(Rollout, on_delete=models.PROTECT, related_name="steps")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=20, choices=[(k.value, k.value) for k in StepKind])
    object_kind = models.CharField(max_length=63, blank=True)
    object_name = models.CharField(max_length=330, blank=True)
    namespace = models.CharField(max_length=63, blank=True)
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in StepStatus])
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    agreed = models.PositiveIntegerField(default=0)
    """Answers in a row that agreed, for steps that prove."""
    detail = models.TextField(blank=True)
    """One sentence: what happened."""
    answer = models.TextField(blank=True)
    """The server's raw words."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rollout", "position"], name="one_step_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.rollout_id} {self.position} {self.kind}"
