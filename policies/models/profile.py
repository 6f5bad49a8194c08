"""Custom profiles and their versions; a version is never edited, and the database refuses it too."""

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """One seccomp or AppArmor profile that people write here; it lives on no cluster by itself."""

    class Mechanism(models.TextChoices):
        SECCOMP = "seccomp", "seccomp"
        APPARMOR = "apparmor", "AppArmor"

    name = models.SlugField(max_length=63)
    mechanism = models.CharField(max_length=10, choices=Mechanism.choices)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mechanism", "name"],
                condition=models.Q(retired_at__isnull=True),
                name="one_profile_in_use_per_name",
            ),
            models.CheckConstraint(
                condition=models.Q(retired_by__isnull=True, retired_at__isnull=True)
                | models.Q(retired_by__isnull=False, retired_at__isnull=False),
                name="a_retirement_has_its_person_and_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mechanism} profile {self.name}"


class ProfileVersion(models.Model):
    """The text of a profile as somebody saved it once."""

    class Origin(models.TextChoices):
        TYPED = "typed", "typed"
        UPLOADED = "uploaded", "uploaded"
        RECORDED = "recorded", "recorded"

    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    """Of the text in UTF-8."""
    origin = models.CharField(max_length=10, choices=Origin.choices)
    note = models.CharField(max_length=200, blank=True)
    parser_outcome = models.CharField(max_length=10)
    """What `apparmor_parser` said when it was saved: `accepted`, `refused`, `failed` or `absent`; empty for seccomp."""
    parser_message = models.TextField(blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "number"], name="one_profile_version_per_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile_id} v{self.number}"
