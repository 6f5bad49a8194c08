"""Variants, their immutable desired revisions, and the stage that was proven for each namespace."""

from django.conf import settings
from django.db import models

from policies.models.cluster import Cluster


class Variant(models.Model):
    """A template with its parameters on one cluster."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="variants")
    name = models.SlugField(max_length=40)
    template = models.CharField(max_length=40, default="seccomp")
    controls = models.JSONField()
    """Ids of the controls that it demands, in order."""
    target = models.CharField(max_length=40)
    """`ClusterPolicy` or `ValidatingPolicy`."""
    api_version = models.CharField(max_length=60)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="one_variant_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.cluster_id}"


class DesiredRevision(models.Model):
    """What we want on the cluster for one variant, compiled from one decision; never edited."""

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    enforced = models.JSONField()
    """Sorted names of the namespaces that the twin denies in."""
    objects_wanted = models.JSONField()
    """Compiled manifests: [{"kind", "name", "role", "manifest", "digest"}]; digest is that of the object as the
    server would store it."""
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["variant", "number"], name="one_revision_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.variant_id} r{self.number}"


class Stage(models.Model):
    """The stage of one namespace for one variant, written only after its proof. No row means Audit."""

    class Value(models.TextChoices):
        AUDIT = "audit", "Audit"
        ENFORCE = "enforce", "Enforced"

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="stages")
    namespace = models.CharField(max_length=63)
    value = models.CharField(max_length=10, choices=Value.choices)
    proven_at = models.DateTimeField()
    flip = models.ForeignKey("policies.Flip", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["variant", "namespace"], name="one_stage_per_namespace")
        ]

    def __str__(self) -> str:
        return f"{self.variant_id}/{self.namespace} {self.value}"
