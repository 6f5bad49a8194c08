"""Grants: who has which role, and how far it reaches."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models.functions import Coalesce

from policies.domain.authority import Role
from policies.models.cluster import Cluster


class Grant(models.Model):
    """A role for one person or one group: on everything, a cluster, a namespace, or namespaces by their labels."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
    )
    group = models.ForeignKey(
        Group, on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    role = models.CharField(max_length=10, choices=[(r.value, r.value) for r in Role])
    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    """None for every cluster."""
    namespace = models.CharField(max_length=63, blank=True)
    selector = models.CharField(max_length=500, blank=True)
    """A label selector over namespaces."""
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """None for what came with an upgrade, or from a command."""
    granted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=True, group__isnull=False)
                | models.Q(user__isnull=False, group__isnull=True),
                name="a_grant_is_for_a_person_or_a_group",
            ),
            models.CheckConstraint(
                condition=models.Q(namespace="") | models.Q(selector=""),
                name="a_grant_names_a_namespace_or_labels",
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]),
                name="the_role_of_a_grant_is_known",
            ),
            models.UniqueConstraint(
                Coalesce("user_id", 0),
                Coalesce("group_id", 0),
                "role",
                Coalesce("cluster_id", 0),
                "namespace",
                "selector",
                name="nothing_is_granted_twice",
            ),
        ]

    def __str__(self) -> str:
        return f"grant {self.pk}: {self.role}"
