"""What a cluster says of its policy engine, beside the controllers: the ConfigMap and the webhooks that decide what is judged."""

from django.db import models

from policies.models.cluster import Cluster


class EngineState(models.Model):
    """Kyverno's own settings on one cluster. What could not be read keeps what it was, with its time and the failure."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="engine")
    namespace = models.CharField(max_length=63, blank=True)
    """Where Kyverno runs; empty when it was never found."""
    config_name = models.CharField(max_length=253, blank=True)
    config = models.JSONField(null=True, blank=True)
    """As `policies.domain.engine_settings.keep_config`; empty when there is no such ConfigMap, None when unknown."""
    config_read_at = models.DateTimeField(null=True, blank=True)
    """When the collection began that read it last."""
    config_failure = models.TextField(blank=True)
    webhooks = models.JSONField(null=True, blank=True)
    """As `policies.domain.engine_settings.keep_webhooks`; None when unknown."""
    others = models.JSONField(default=list)
    """Names of webhooks of others that are asked about pods."""
    webhooks_read_at = models.DateTimeField(null=True, blank=True)
    webhooks_failure = models.TextField(blank=True)
    expects_pods = models.BooleanField(default=False)
    """Some policy about pods is ready, so that a webhook has to ask about them."""

    def __str__(self) -> str:
        return f"{self.cluster_id} {self.namespace}"
