"""Denials: what admission refused, folded by the workload that it befell. Kept when the cluster's events have expired."""

from django.db import models

from policies.models.cluster import Cluster


class Denial(models.Model):
    """What one rule of one policy refused to one workload."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="denials")
    namespace = models.CharField(max_length=63)
    top_kind = models.CharField(max_length=63)
    """Of the top-level workload, which may exist no more, or never have existed."""
    top_name = models.CharField(max_length=253)
    policy = models.CharField(max_length=253)
    """The policy that refused, of a native one the binding; the webhook, where that is all that is known."""
    rule = models.CharField(max_length=253, blank=True)
    attempt = models.CharField(max_length=12)
    """Who tried: a `policies.domain.denials.Attempt`."""
    variant_name = models.CharField(max_length=40, blank=True)
    """Of the variant whose twin the policy was; empty for a policy of others."""
    outcome = models.CharField(max_length=20)
    """A `policies.domain.answers.AnswerOutcome`, of the newest event."""
    count = models.PositiveIntegerField()
    """Over all events, those that have expired too."""
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    message = models.TextField(blank=True)
    """Of the newest event: what the policy says."""
    example_kind = models.CharField(max_length=63)
    """The object that the newest event is about, as is the next one."""
    example_name = models.CharField(max_length=253)
    counted = models.JSONField(default=dict)
    """How often each event of the last reading was counted, by its uid."""
    texts = models.JSONField(default=list)
    """The newest events as they were read: [{"event", "kind", "name", "count", "at", "text"}], the newest first."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "cluster",
                    "namespace",
                    "top_kind",
                    "top_name",
                    "policy",
                    "rule",
                    "attempt",
                ],
                name="one_denial_per_fold",
            )
        ]
        indexes = [
            models.Index(fields=["cluster", "last_at"]),
            models.Index(fields=["cluster", "variant_name", "namespace"]),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.namespace}/{self.top_name} by {self.policy}"
