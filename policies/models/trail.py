"""What stands beside the audit trail: its end, the heads that were kept, and how each verification ended."""

from django.db import models

from policies.models.audit_event import HASH_LENGTH


class TrailHead(models.Model):
    """The end of the trail, in one row. Whoever appends locks it; triggers alone move it, with each new row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=HASH_LENGTH)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="the_trail_has_one_head")
        ]

    def __str__(self) -> str:
        return f"head {self.sequence}"


class KeptHead(models.Model):
    """A head as it was written to the log on some day; signed when there was a key."""

    at = models.DateTimeField(db_index=True)
    sequence = models.BigIntegerField()
    hash = models.CharField(max_length=HASH_LENGTH)
    installation = models.CharField(max_length=253)
    key_id = models.CharField(max_length=16, blank=True)
    signature = models.CharField(max_length=88, blank=True)

    def __str__(self) -> str:
        return f"kept head {self.sequence}"


class TrailCheck(models.Model):
    """One verification of the whole trail."""

    at = models.DateTimeField(db_index=True)
    seconds = models.FloatField()
    verified_to = models.BigIntegerField()
    """The last row up to which everything holds."""
    broken_at = models.BigIntegerField(null=True)
    fault = models.CharField(max_length=20, blank=True)
    sentence = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"check {self.id} up to {self.verified_to}"
