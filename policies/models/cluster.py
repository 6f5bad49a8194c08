"""A cluster that secprof looks after: how to reach it, and what the last contact said."""

from django.conf import settings
from django.db import models


class Cluster(models.Model):
    """One Kubernetes cluster, or one sandbox."""

    class EngineState(models.TextChoices):
        UNKNOWN = "unknown", "Unknown"
        UP = "up", "Answering"
        DOWN = "down", "Engine down"

    name = models.SlugField(max_length=63, unique=True)
    gateway = models.CharField(max_length=20, default="kubernetes")
    """Key of `settings.CLUSTER_GATEWAYS`."""
    server = models.CharField(max_length=500, blank=True)
    credential = models.TextField(blank=True)
    """Encrypted by `policies.cluster.credentials`; never shown, never logged."""
    credential_changed_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField()

    contact_state = models.CharField(max_length=20, default="unknown")
    """`unknown`, `ok`, or the `reason` of the ClusterError that the last contact met."""
    contact_message = models.TextField(blank=True)
    contacted_at = models.DateTimeField(null=True, blank=True)
    kubernetes_version = models.CharField(max_length=40, blank=True)
    kyverno_version = models.CharField(max_length=40, blank=True)

    engine_state = models.CharField(
        max_length=10, choices=EngineState.choices, default=EngineState.UNKNOWN
    )
    engine_message = models.TextField(blank=True)
    engine_checked_at = models.DateTimeField(null=True, blank=True)

    rights = models.JSONField(default=list, blank=True)
    """What the credential may do, as asked last: [{"mode", "right", "answer"}]; empty: not asked."""
    rights_checked_at = models.DateTimeField(null=True, blank=True)

    collect_due_at = models.DateTimeField(null=True, blank=True)
    is_slow = models.BooleanField(default=False)
    """The last run got no answer, or the cluster had more to tell than time: it waits behind the others."""

    class Meta:
        indexes = [models.Index(fields=["collect_due_at"])]

    def __str__(self) -> str:
        return self.name
