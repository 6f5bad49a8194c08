"""Profiles on nodes: what a cluster reports of them, what an admin declares, and which ones workloads name.

The observed rows are replaced kind by kind by each collection run; the declared ones are written by people alone.
"""

from django.conf import settings
from django.db import models

from policies.models.cluster import Cluster


class ObservedNode(models.Model):
    """A node, as far as placing a pod needs it."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=253)
    labels = models.JSONField(default=dict)
    taints = models.JSONField(default=list)
    """[{"key", "value", "effect"}]."""
    os = models.CharField(max_length=20, blank=True)
    """`linux` or `windows`."""
    os_image = models.CharField(max_length=253, blank=True)
    is_ready = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(null=True, blank=True)
    kubelet_version = models.CharField(max_length=63, blank=True)
    runtime = models.CharField(max_length=63, blank=True)
    """`containerd://2.1.4`, as the kubelet says."""
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="one_node_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id}/{self.name}"


class ObservedProfile(models.Model):
    """A SeccompProfile or AppArmorProfile of the Security Profiles Operator."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="profiles")
    mechanism = models.CharField(max_length=10)
    """`seccomp` or `apparmor`."""
    namespace = models.CharField(max_length=63, blank=True)
    """Empty since the operator's 0.9, which made profiles cluster-wide."""
    name = models.CharField(max_length=253)
    state = models.CharField(max_length=20, blank=True)
    """As the operator says it: the worst over the nodes where it runs."""
    mode = models.CharField(max_length=20, blank=True)
    """`Enforce` or `Complain`, of an AppArmorProfile."""
    is_partial = models.BooleanField(default=False)
    is_disabled = models.BooleanField(default=False)
    is_deleting = models.BooleanField(default=False)
    localhost_value = models.CharField(max_length=4096, blank=True)
    """What the operator says that pods must write."""
    created_at = models.DateTimeField(null=True, blank=True)
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "mechanism", "namespace", "name"],
                name="one_operator_profile_per_name",
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.mechanism} {self.namespace}/{self.name}"


class ObservedProfileStatus(models.Model):
    """How far one profile is on one node, as the operator's daemon there says."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    mechanism = models.CharField(max_length=10)
    namespace = models.CharField(max_length=63, blank=True)
    profile = models.CharField(max_length=253)
    node = models.CharField(max_length=253)
    state = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "mechanism", "namespace", "profile", "node"],
                name="one_profile_status_per_node",
            )
        ]
        indexes = [models.Index(fields=["cluster", "node"])]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.mechanism} {self.profile} on {self.node}"


class ObservedOperator(models.Model):
    """The Security Profiles Operator's own settings on one cluster."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    namespace = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=253)
    state = models.CharField(max_length=20, blank=True)
    enables_apparmor = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "namespace", "name"], name="one_operator_per_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.namespace}/{self.name}"


class ReferencedProfile(models.Model):
    """A Localhost profile that one container of a workload names."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    workload_uid = models.CharField(max_length=64)
    kind = models.CharField(max_length=24)
    namespace = models.CharField(max_length=63)
    workload = models.CharField(max_length=253)
    container = models.CharField(max_length=63)
    mechanism = models.CharField(max_length=10)
    value = models.TextField()
    """As written in the pod."""
    placement = models.JSONField(default=dict)
    """Where its pods may run, as `policies.domain.inventory` reads it back."""
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "workload_uid", "container", "mechanism"],
                name="one_reference_per_container",
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.workload_uid}/{self.container} {self.mechanism}"


class DeclaredPool(models.Model):
    """Some nodes of a cluster, by their labels, and what an admin says about them."""

    class AppArmor(models.TextChoices):
        YES = "yes", "Available"
        NO = "no", "Not available"
        UNKNOWN = "unknown", "Not known"

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="pools")
    name = models.SlugField(max_length=63)
    selector = models.JSONField(default=dict)
    """Labels that a node must carry, {"pool": "gpu"}; empty for every node."""
    apparmor = models.CharField(max_length=10, choices=AppArmor.choices, default=AppArmor.UNKNOWN)
    complete = models.JSONField(default=list)
    """Mechanisms whose list of profiles leaves nothing out: ["seccomp"]."""
    declared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    declared_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="one_pool_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id}/{self.name}"


class DeclaredProfile(models.Model):
    """A profile that an admin says lies on every node of a pool."""

    pool = models.ForeignKey(DeclaredPool, on_delete=models.CASCADE, related_name="profiles")
    mechanism = models.CharField(max_length=10)
    value = models.CharField(max_length=1000)
    """As a pod must write it."""
    declared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    declared_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["pool", "mechanism", "value"], name="one_declaration_per_profile"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pool_id} {self.mechanism} {self.value}"
