"""Variants, their revisions as people wanted them and as they were compiled, and the stage proven for each namespace."""

from django.conf import settings
from django.db import models

from policies.models.cluster import Cluster


class Variant(models.Model):
    """A template with its parameters on one cluster, as people want it now; the cluster may hold older ones."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="variants")
    name = models.SlugField(max_length=40)
    template = models.CharField(max_length=40, default="seccomp")
    parameters = models.JSONField()
    """The newest ones, as `policies.domain.parameters.Parameters.to_json` writes them."""
    target = models.CharField(max_length=40)
    """Kind of its policies: a `policies.domain.library.Target`."""
    api_version = models.CharField(max_length=60)
    revision_number = models.PositiveIntegerField(default=1)
    """Of the newest VariantRevision."""
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

    @property
    def controls(self) -> tuple[str, ...]:
        """Ids of the controls that it demands now, in order."""
        return tuple(self.parameters["controls"])


class VariantRevision(models.Model):
    """What people wanted of a variant from one moment on; never edited. Nothing on a cluster follows from it alone."""

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="wishes")
    number = models.PositiveIntegerField()
    parameters = models.JSONField()
    target = models.CharField(max_length=40)
    api_version = models.CharField(max_length=60)
    note = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["variant", "number"], name="one_variant_revision_per_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.variant_id} wish {self.number}"


class DesiredRevision(models.Model):
    """What we want on the cluster for one variant, compiled from one decision; never edited."""

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    compiled_from = models.ForeignKey(
        VariantRevision, on_delete=models.PROTECT, related_name="compiled"
    )
    """Whose parameters its objects carry."""
    enforced = models.JSONField()
    """Sorted names of the namespaces that the twin denies in."""
    objects_wanted = models.JSONField()
    """Compiled manifests: [{"kind", "name", "role", "manifest", "digest"}]; digest is that of the object as the
    server would store it."""
    digests = models.JSONField(default=dict)
    """The digests of `objects_wanted` by name: what lists of many variants compare, without the manifests."""
    exempted = models.JSONField(default=list)
    """Sorted ids of the exceptions that are on the cluster once it is written."""
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
