"""The observed plane: what clusters report, replaced kind by kind by each collection run.

A result that passes and an owned pod without findings have no row of their own: they are counted in tallies.
"""

from django.db import models

from policies.models.cluster import Cluster


class ObservedNamespace(models.Model):
    """A namespace and the team that owns it."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="namespaces")
    name = models.CharField(max_length=63)
    uid = models.CharField(max_length=64)
    team = models.CharField(max_length=63, blank=True)
    labels = models.JSONField(default=dict)
    """As the cluster has them: grants may choose namespaces by them."""
    is_system = models.BooleanField(default=False)
    """kube-* and the engine's own namespace: admission policies do not reach them."""
    is_terminating = models.BooleanField(default=False)
    not_enforceable = models.JSONField(default=list)
    """Why Kyverno judges nothing here, each as `policies.domain.enforceability.Obstacle`; empty when nothing is known of."""
    not_enforceable_since = models.DateTimeField(null=True, blank=True)
    """When the collection began that first found it so; None while it is not."""
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "name"], name="one_namespace_per_name")
        ]
        indexes = [models.Index(fields=["cluster", "team"])]

    def __str__(self) -> str:
        return f"{self.cluster_id}/{self.name}"


class ObservedWorkload(models.Model):
    """A top-level workload, or an object below one that has findings of its own."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="workloads")
    uid = models.CharField(max_length=64)
    kind = models.CharField(max_length=24)
    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    top_kind = models.CharField(max_length=63)
    """Kind and name of the top owner; the object's own when nothing owns it."""
    top_name = models.CharField(max_length=253)
    replicas = models.IntegerField(null=True, blank=True)
    schedule = models.CharField(max_length=100, blank=True)
    is_suspended = models.BooleanField(default=False)
    pod_count = models.PositiveIntegerField(default=0)
    """Pods that live now below this top-level workload."""
    helm_release = models.CharField(max_length=63, blank=True)
    is_applicable = models.BooleanField(default=True)
    """False for Windows pods, which have neither seccomp nor AppArmor."""
    exempt_from = models.JSONField(default=list)
    """Tags of the judges that leave it alone, though others do not."""
    containers = models.JSONField(default=list)
    """Posture per container, as `policies.domain.posture.ContainerPosture` has it."""
    hardening = models.JSONField(default=list)
    """What else weakens it, each as `policies.domain.posture.Hardening`. Read, never a gate."""
    findings = models.JSONField(default=list)
    """Controls not met, each as `policies.domain.posture.Finding` with the `judge` that says so (its key; empty for
    the base judge)."""
    finding_count = models.PositiveIntegerField(default=0)
    """Over all judges."""
    patches = models.JSONField(default=dict)
    """YAML of the patch that makes findings go away: by control for the base judge, by key for any other one."""
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "uid"], name="one_workload_per_uid")
        ]
        indexes = [
            models.Index(fields=["cluster", "namespace", "finding_count"]),
            models.Index(fields=["cluster", "namespace", "top_kind", "top_name"]),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.kind} {self.namespace}/{self.name}"


class PostureTally(models.Model):
    """Top-level workloads of a namespace that meet, or do not meet, what one judge asks.

    A row with an empty namespace and only zeros says that this judge was heard in the last collection.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    namespace = models.CharField(max_length=63, blank=True)
    judge = models.CharField(max_length=160)
    """Key of a `policies.domain.judges.Judge`."""
    workload_count = models.PositiveIntegerField()
    failing_count = models.PositiveIntegerField()
    not_applicable_count = models.PositiveIntegerField()
    reportable_count = models.PositiveIntegerField()
    """Workloads of the kinds that every engine reports on."""
    unreadable_count = models.PositiveIntegerField(default=0)
    """Objects of the nine kinds that could not be understood, owned ones included."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "namespace", "judge"], name="one_posture_tally"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id}/{self.namespace} {self.judge}"


class ObservedPolicy(models.Model):
    """A policy, or the binding of one, as the API server holds it."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="policies")
    kind = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    resource_version = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    variant_name = models.CharField(max_length=63, blank=True)
    """From our label; empty for policies that secprof did not write."""
    role = models.CharField(max_length=20, blank=True)
    enforced = models.JSONField(default=list)
    """Namespaces in which it denies, for ours; empty for others."""
    denies = models.BooleanField(default=False)
    is_ready = models.BooleanField(null=True, blank=True)
    is_inconsistent = models.BooleanField(default=False)
    """Of others: Kyverno itself reads its failure action in two ways, in some namespace that there is."""
    changed_at = models.DateTimeField()
    """When a run first saw this digest: results older than this tell of another policy."""
    manifest = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "kind", "name"], name="one_policy_per_name")
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.kind}/{self.name}"


class ObservedResult(models.Model):
    """One report entry that is not a pass."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="results")
    source = models.CharField(max_length=253)
    policy = models.CharField(max_length=253)
    rule = models.CharField(max_length=253, blank=True)
    """Folded: without `autogen-`."""
    raw_rule = models.CharField(max_length=253, blank=True)
    outcome = models.CharField(max_length=8)
    message = models.TextField(blank=True)
    at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField()
    """When the run began that first saw it fail, or first saw it skipped; other words about it change nothing."""
    kind = models.CharField(max_length=63)
    namespace = models.CharField(max_length=63, blank=True)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    top_kind = models.CharField(max_length=63)
    top_name = models.CharField(max_length=253)
    exceptions = models.JSONField(default=list)
    """Names, without namespace, of the exceptions that made this a skip."""
    content_hash = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "source", "policy", "raw_rule", "uid"], name="one_result_per_key"
            )
        ]
        indexes = [
            models.Index(fields=["cluster", "policy", "namespace"]),
            # Few results are skipped, and the board of exceptions asks for them alone.
            models.Index(
                fields=["cluster", "at"], condition=models.Q(outcome="skip"), name="skipped_result"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.policy}/{self.raw_rule} {self.uid}"


class ResultTally(models.Model):
    """Counts of one policy's results in one namespace, passes included."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=253)
    policy = models.CharField(max_length=253)
    namespace = models.CharField(max_length=63, blank=True)
    pass_count = models.PositiveIntegerField(default=0)
    fail_count = models.PositiveIntegerField(default=0)
    warn_count = models.PositiveIntegerField(default=0)
    error_count = models.PositiveIntegerField(default=0)
    skip_count = models.PositiveIntegerField(default=0)
    failing_workload_count = models.PositiveIntegerField(default=0)
    """Top-level workloads with at least one fail, warn or error."""
    gone_workload_count = models.PositiveIntegerField(default=0)
    """Workloads that no longer exist, of which a report still says that they fail: not among the failing ones."""
    judged_workload_count = models.PositiveIntegerField(default=0)
    """Top-level workloads, of the kinds that every engine reports on, with any result."""
    newest_at = models.DateTimeField(null=True, blank=True)
    oldest_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(null=True, blank=True)
    """When the run began that changed it last: the day's figures are brought in line by it."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "source", "policy", "namespace"], name="one_result_tally"
            )
        ]
        indexes = [models.Index(fields=["cluster", "changed_at"])]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.policy} {self.namespace}"
