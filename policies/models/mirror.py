"""What a catch-up needs of the run before: each object that was read, small, and what each report says of each object.

No page reads these rows. They are the ground from which rows and tallies of the observed plane are brought up to date
without reading the cluster whole.
"""

from django.db import models

from policies.models.cluster import Cluster


class SeenObject(models.Model):
    """One object of the nine kinds, as it is judged."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    uid = models.CharField(max_length=64)
    kind = models.CharField(max_length=24)
    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    controller_uid = models.CharField(max_length=64, blank=True)
    """Of its controller, should that be of the nine kinds."""
    top_uid = models.CharField(max_length=64)
    """Of its top-level workload; its own when nothing owns it."""
    body = models.BinaryField()
    """What judges read of it, as `policies.actions.mirror` packs it."""
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="one_seen_per_uid")]
        indexes = [
            models.Index(fields=["cluster", "top_uid"]),
            models.Index(fields=["cluster", "controller_uid"]),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.kind} {self.namespace}/{self.name}"


class ReportPart(models.Model):
    """What one report says about one object."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    report = models.CharField(max_length=400)
    """Plural and group, namespace and name: `policyreports.wgpolicyk8s.io/shop/…`."""
    subject = models.CharField(max_length=64)
    """The uid of the object; where the report gives none, a hash of what it says instead."""
    kind = models.CharField(max_length=63, blank=True)
    namespace = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=253, blank=True)
    body = models.BinaryField()
    """Its results, as `policies.actions.report_parts` packs them."""
    content_hash = models.CharField(max_length=32)
    standing = models.CharField(max_length=8)
    """What was known of the object when it was counted last: a `policies.actions.report_parts.Standing`."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "report", "subject"], name="one_part_per_report_and_subject"
            )
        ]
        indexes = [
            models.Index(fields=["cluster", "subject"]),
            models.Index(fields=["cluster", "namespace"]),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.report} {self.subject}"


class ReportOrigin(models.Model):
    """One engine's results in one group of the report API: a cluster may hold both, and one of them counts."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="report_origins")
    group = models.CharField(max_length=63)
    """`wgpolicyk8s.io` or `openreports.io`."""
    source = models.CharField(max_length=253)
    newest_at = models.DateTimeField(null=True, blank=True)
    is_counted = models.BooleanField()
    """False: the same source has fresher results in the other group."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "group", "source"], name="one_origin_per_group_and_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.source} in {self.group}"
