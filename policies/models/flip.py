"""Flips: requests to install a variant, to move it to another stage in some namespaces, or to carry out an exception."""

import uuid

from django.conf import settings
from django.db import models

from policies.domain.lifecycle import OPEN_FLIP_STATUSES, FlipStatus, FlipVerb
from policies.models.variant import Variant


class Flip(models.Model):
    """One decision about one variant: who asked, who agreed, to exactly which plan."""

    Status = FlipStatus
    Verb = FlipVerb

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="flips")
    exception = models.ForeignKey(
        "policies.ExceptionRequest",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="flips",
    )
    """What it puts into force or ends; None for every other flip."""
    verb = models.CharField(max_length=20, choices=[(v.value, v.value) for v in FlipVerb])
    namespaces = models.JSONField()
    """Sorted names; empty for an install."""
    reason = models.TextField(blank=True)
    override_reason = models.TextField(blank=True)
    """Why gates that do not pass were overridden; empty when all passed."""
    plan = models.JSONField()
    """The frozen plan, as `policies.domain.plans.Plan.to_json` writes it."""
    plan_digest = models.CharField(max_length=64)
    status = models.CharField(max_length=12, choices=[(s.value, s.value) for s in FlipStatus])
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField()
    lapses_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closing_message = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True)
                | ~models.Q(decided_by=models.F("requested_by")),
                name="nobody_decides_on_their_own_flip",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True, decided_at__isnull=True)
                | models.Q(decided_by__isnull=False, decided_at__isnull=False),
                name="a_decision_has_its_person_and_its_time",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=False)
                | models.Q(verb__in=["rollback", "end-exemption"])
                | ~models.Q(status__in=["approved", "rolling", "proven", "failed"]),
                name="only_a_rollback_goes_ahead_alone",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in FlipStatus]),
                name="flip_status_is_known",
            ),
            models.UniqueConstraint(
                fields=["variant"],
                condition=models.Q(status__in=[s.value for s in sorted(OPEN_FLIP_STATUSES)])
                & models.Q(verb__in=["install", "enforce", "remove-exception"]),
                name="one_open_flip_per_variant",
            ),
            models.UniqueConstraint(
                fields=["exception"],
                condition=models.Q(status__in=[s.value for s in sorted(OPEN_FLIP_STATUSES)]),
                name="one_open_flip_per_exception",
            ),
            models.CheckConstraint(
                condition=models.Q(exception__isnull=False, verb__in=["exempt", "end-exemption"])
                | models.Q(
                    exception__isnull=True,
                    verb__in=["install", "enforce", "rollback", "remove-exception"],
                ),
                name="a_flip_that_exempts_has_its_exception",
            ),
        ]
        indexes = [models.Index(fields=["status", "lapses_at"])]

    def __str__(self) -> str:
        return f"{self.verb} {self.id}"
