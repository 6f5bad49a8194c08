"""Exceptions as the API server holds them, the settings of the engine that decide about them, and when each was needed."""

from django.db import models

from policies.models.cluster import Cluster


class ObservedException(models.Model):
    """A PolicyException of either group, whoever wrote it."""

    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, related_name="observed_exceptions"
    )
    group = models.CharField(max_length=32)
    """`kyverno.io` or `policies.kyverno.io`."""
    namespace = models.CharField(max_length=63)
    """Where it lies, which limits nothing."""
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    resource_version = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    policies = models.JSONField(default=list)
    rules = models.JSONField(default=list)
    """Of a kyverno.io exception; wildcards stay."""
    has_conditions = models.BooleanField()
    """False: it exempts every object of its kinds in every namespace."""
    reaches = models.JSONField(null=True, blank=True)
    """Namespaces in which it exempts; None when that cannot be said: perhaps everywhere."""
    expires_at = models.DateTimeField(null=True, blank=True)
    """What the object says of its end, which Kyverno heeds since 1.19, and not on time."""
    exception_key = models.CharField(max_length=12, blank=True)
    """Of ours: names the exception request. Empty for those that secprof did not write."""
    variant_name = models.CharField(max_length=63, blank=True)
    changed_at = models.DateTimeField()
    """When a run first saw this digest."""
    manifest = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "group", "namespace", "name"], name="one_exception_per_name"
            )
        ]
        indexes = [models.Index(fields=["cluster", "exception_key"])]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.group} {self.namespace}/{self.name}"


class ObservedController(models.Model):
    """One of Kyverno's controllers: its version and its command line."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="controllers")
    component = models.CharField(max_length=32)
    """As `policies.domain.engines.Component`."""
    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    version = models.CharField(max_length=40, blank=True)
    """Empty when its image tells none."""
    flags = models.JSONField(null=True, blank=True)
    """Those of `policies.domain.engines.DECIDING_FLAGS`, by name; None when the command line could not be read."""
    replicas = models.PositiveIntegerField(null=True, blank=True)
    """Wanted; None when its Deployment does not say."""
    ready = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "namespace", "name"], name="one_controller_per_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.namespace}/{self.name}"


class ExceptionNeed(models.Model):
    """When an exempted workload was last seen to fail without its exception. No row: never since it is in force."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    exception_key = models.CharField(max_length=12)
    kind = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    last_needed_at = models.DateTimeField()
    """When the collection began that saw it."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "exception_key", "kind", "name"], name="one_need_per_workload"
            )
        ]

    def __str__(self) -> str:
        return f"{self.exception_key} {self.kind}/{self.name}"
