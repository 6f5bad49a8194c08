"""The audit trail: a chain of rows, append-only by database triggers, without foreign keys, so that no row can be lost."""

from django.db import models

HASH_LENGTH = 64


class AuditEvent(models.Model):
    """One thing that somebody did, or that the system did, and how it ended.

    Rows are made by `policies.actions.audit` alone: the database refuses one that does not continue the chain.
    """

    id = models.BigIntegerField(primary_key=True)
    """Its place in the chain: from 1, without a gap."""
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150, db_index=True)
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
    previous_hash = models.CharField(max_length=HASH_LENGTH)
    hash = models.CharField(max_length=HASH_LENGTH)
    """SHA-256 over everything else, as `policies.domain.trail` writes it."""

    def __str__(self) -> str:
        return f"{self.id} {self.verb}"
