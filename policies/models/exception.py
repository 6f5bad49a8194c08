"""Exception requests: who asks to exempt which workloads from what, who agreed to how much of it, and until when."""

import uuid

from django.conf import settings
from django.db import models

from policies.domain.lifecycle import ExceptionStatus
from policies.models.variant import Variant

_DECIDED = (
    ExceptionStatus.APPROVED,
    ExceptionStatus.IN_FORCE,
    ExceptionStatus.FAILED,
    ExceptionStatus.ENDING,
    ExceptionStatus.ENDED,
)


class ExceptionRequest(models.Model):
    """One exception from its draft to its end: exact workloads of one namespace, from controls of one variant."""

    Status = ExceptionStatus

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="exceptions")
    namespace = models.CharField(max_length=63)
    workloads = models.JSONField()
    """What was asked for, sorted: [{"kind", "name"}]."""
    controls = models.JSONField()
    """Ids of the controls that shall not count."""
    reason = models.TextField(blank=True)
    compensating_control = models.TextField(blank=True)
    ticket = models.CharField(max_length=200, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    """The end that was asked for; only a draft has none."""
    revision = models.PositiveIntegerField(default=1)
    """Counts the edits; a decision is about one revision."""
    adopted_from = models.CharField(max_length=330, blank=True)
    """`group/namespace/name` of the PolicyException on the cluster whose place it takes; empty for a new one."""
    status = models.CharField(
        max_length=12, choices=[(status.value, status.value) for status in ExceptionStatus]
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    requested_at = models.DateTimeField(null=True, blank=True)
    lapses_at = models.DateTimeField(null=True, blank=True)

    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    approved_workloads = models.JSONField(default=list)
    """What was agreed to: all of `workloads`, or fewer."""
    approved_ends_at = models.DateTimeField(null=True, blank=True)
    """The end that was agreed to: as asked for, or earlier."""

    due_at = models.DateTimeField(null=True, blank=True)
    """When its next attempt on the cluster is due; None while there is nothing to be done, or it is being done."""
    attempt_count = models.PositiveIntegerField(default=0)
    """Attempts that came to nothing since people last decided."""
    announced_days = models.PositiveSmallIntegerField(null=True, blank=True)
    """How many days ahead its end was last announced: 14, 7 or 1."""

    in_force_at = models.DateTimeField(null=True, blank=True)
    """When it was proven on the cluster."""
    ending_at = models.DateTimeField(null=True, blank=True)
    """When its end was begun."""
    ending_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """Who ended it; None when its time had come."""
    ending_reason = models.TextField(blank=True)
    """`expired`, `revoked: …` or `not needed: …`."""
    ending_override = models.TextField(blank=True)
    """Why gates that do not pass were overridden, where its end takes an enforced namespace its exemption."""
    closed_at = models.DateTimeField(null=True, blank=True)
    closing_message = models.TextField(blank=True)
    """How the last attempt on the cluster went, when not as it should."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True)
                | ~models.Q(decided_by=models.F("requested_by")),
                name="nobody_decides_on_their_own_exception",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True, decided_at__isnull=True)
                | models.Q(decided_by__isnull=False, decided_at__isnull=False),
                name="an_exceptions_decision_has_its_person_and_time",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True) | ~models.Q(comment=""),
                name="an_exceptions_decision_has_a_comment",
            ),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=False, approved_ends_at__isnull=False)
                | ~models.Q(status__in=[status.value for status in _DECIDED]),
                name="no_exception_without_an_approval_and_an_end",
            ),
            models.CheckConstraint(
                condition=models.Q(approved_ends_at__isnull=True)
                | models.Q(approved_ends_at__lte=models.F("ends_at")),
                name="no_exception_lasts_longer_than_asked_for",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in ExceptionStatus]),
                name="exception_status_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=False, requested_at__isnull=False)
                | models.Q(
                    status__in=[ExceptionStatus.DRAFT.value, ExceptionStatus.WITHDRAWN.value]
                ),
                name="only_a_draft_has_no_end",
            ),
            models.CheckConstraint(
                condition=models.Q(ending_at__isnull=True, ending_by__isnull=True, ending_reason="")
                | (models.Q(ending_at__isnull=False) & ~models.Q(ending_reason="")),
                name="an_exceptions_end_has_its_time_and_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(ending_at__isnull=False)
                | ~models.Q(status__in=[ExceptionStatus.ENDING.value, ExceptionStatus.ENDED.value]),
                name="nothing_ends_without_a_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(in_force_at__isnull=False)
                | ~models.Q(status=ExceptionStatus.IN_FORCE.value),
                name="in_force_is_only_what_was_proven",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "approved_ends_at"]),
            models.Index(fields=["variant", "namespace"]),
            models.Index(fields=["status", "due_at"]),
        ]

    def __str__(self) -> str:
        return f"exception {self.id}"

    @property
    def key(self) -> str:
        """What names its objects on the cluster: twelve hexadecimal digits."""
        return self.id.hex[:12]
