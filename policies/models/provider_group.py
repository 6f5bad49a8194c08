"""Which memberships in groups a provider gave, so that only those are taken away again."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class ProviderGroup(models.Model):
    """One user is in one group because the OIDC provider said so, and for no other reason."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="provider_groups"
    )
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    given_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("user", "group", name="a_provider_gives_a_group_once")
        ]

    def __str__(self) -> str:
        return f"provider group {self.pk}"
