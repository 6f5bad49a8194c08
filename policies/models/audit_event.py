"""The audit trail: append-only by database triggers, without foreign keys, so that no row can be lost."""

from django.db import models


class AuditEvent(models.Model):
    """One thing that somebody did, or that the system did, and how it ended."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    """The user's name, or `system`."""
    verb = models.CharField(max_length=40, db_index=True)
    """`flip.requested`, `rollout.step.applied`, `cluster.added`, …"""
    cluster = models.CharField(max_length=63, blank=True, db_index=True)
    variant = models.CharField(max_length=63, blank=True)
    namespaces = models.JSONField(default=list)
    flip_id = models.CharField(max_length=36, blank=True, db_index=True)
    exception_id = models.CharField(max_length=36, blank=True, db_index=True)
    plan_digest = models.CharField(max_length=64, blank=True)
    outcome = models.CharField(max_length=20)
    """`ok`, `refused` or `failed`."""
    message = models.TextField(blank=True)
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.id} {self.verb}"
