"""Exception requests, and the flips that carry them out."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0007_grants"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ExceptionRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("namespace", models.CharField(max_length=63)),
                ("workloads", models.JSONField()),
                ("controls", models.JSONField()),
                ("reason", models.TextField(blank=True)),
                ("compensating_control", models.TextField(blank=True)),
                ("ticket", models.CharField(blank=True, max_length=200)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("revision", models.PositiveIntegerField(default=1)),
                ("adopted_from", models.CharField(blank=True, max_length=330)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("requested", "requested"),
                            ("approved", "approved"),
                            ("in-force", "in-force"),
                            ("failed", "failed"),
                            ("ending", "ending"),
                            ("ended", "ended"),
                            ("declined", "declined"),
                            ("withdrawn", "withdrawn"),
                            ("lapsed", "lapsed"),
                        ],
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("requested_at", models.DateTimeField(blank=True, null=True)),
                ("lapses_at", models.DateTimeField(blank=True, null=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("comment", models.TextField(blank=True)),
                ("approved_workloads", models.JSONField(default=list)),
                ("approved_ends_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("attempt_count", models.PositiveIntegerField(default=0)),
                ("announced_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("in_force_at", models.DateTimeField(blank=True, null=True)),
                ("ending_at", models.DateTimeField(blank=True, null=True)),
                ("ending_reason", models.TextField(blank=True)),
                ("ending_override", models.TextField(blank=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("closing_message", models.TextField(blank=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="flip",
            name="only_a_rollback_goes_ahead_alone",
        ),
        migrations.RemoveConstraint(
            model_name="flip",
            name="one_open_flip_per_variant",
        ),
        migrations.AddField(
            model_name="desiredrevision",
            name="exempted",
            field=models.JSONField(default=list),
        ),
        migrations.AlterField(
            model_name="flip",
            name="verb",
            field=models.CharField(
                choices=[
                    ("install", "install"),
                    ("enforce", "enforce"),
                    ("rollback", "rollback"),
                    ("exempt", "exempt"),
                    ("end-exemption", "end-exemption"),
                    ("remove-exception", "remove-exception"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="rolloutstep",
            name="kind",
            field=models.CharField(
                choices=[
                    ("check", "check"),
                    ("dry-run", "dry-run"),
                    ("apply", "apply"),
                    ("read-back", "read-back"),
                    ("prove-refused", "prove-refused"),
                    ("prove-admitted", "prove-admitted"),
                    ("prove-neighbour", "prove-neighbour"),
                    ("prove-warned", "prove-warned"),
                    ("prove-exempt", "prove-exempt"),
                    ("prove-not-exempt", "prove-not-exempt"),
                    ("prove-judged", "prove-judged"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="rolloutstep",
            name="object_name",
            field=models.CharField(blank=True, max_length=330),
        ),
        migrations.AddField(
            model_name="exceptionrequest",
            name="decided_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="exceptionrequest",
            name="ending_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="exceptionrequest",
            name="requested_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="exceptionrequest",
            name="variant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="exceptions",
                to="policies.variant",
            ),
        ),
        migrations.AddField(
            model_name="flip",
            name="exception",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="flips",
                to="policies.exceptionrequest",
            ),
        ),
        migrations.AddConstraint(
            model_name="flip",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", False),
                    ("verb__in", ["rollback", "end-exemption"]),
                    models.Q(
                        ("status__in", ["approved", "rolling", "proven", "failed"]), _negated=True
                    ),
                    _connector="OR",
                ),
                name="only_a_rollback_goes_ahead_alone",
            ),
        ),
        migrations.AddConstraint(
            model_name="flip",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("status__in", ["approved", "requested", "rolling"]),
                    ("verb__in", ["install", "enforce", "remove-exception"]),
                ),
                fields=("variant",),
                name="one_open_flip_per_variant",
            ),
        ),
        migrations.AddConstraint(
            model_name="flip",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["approved", "requested", "rolling"])),
                fields=("exception",),
                name="one_open_flip_per_exception",
            ),
        ),
        migrations.AddConstraint(
            model_name="flip",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("exception__isnull", False), ("verb__in", ["exempt", "end-exemption"])
                    ),
                    models.Q(
                        ("exception__isnull", True),
                        ("verb__in", ["install", "enforce", "rollback", "remove-exception"]),
                    ),
                    _connector="OR",
                ),
                name="a_flip_that_exempts_has_its_exception",
            ),
        ),
        migrations.AddIndex(
            model_name="exceptionrequest",
            index=models.Index(
                fields=["status", "approved_ends_at"], name="policies_ex_status_f476ef_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="exceptionrequest",
            index=models.Index(
                fields=["variant", "namespace"], name="policies_ex_variant_369eb7_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="exceptionrequest",
            index=models.Index(fields=["status", "due_at"], name="policies_ex_status_8873f9_idx"),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", True),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="nobody_decides_on_their_own_exception",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("decided_by__isnull", True)),
                    models.Q(("decided_at__isnull", False), ("decided_by__isnull", False)),
                    _connector="OR",
                ),
                name="an_exceptions_decision_has_its_person_and_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", True),
                    models.Q(("comment", ""), _negated=True),
                    _connector="OR",
                ),
                name="an_exceptions_decision_has_a_comment",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_ends_at__isnull", False), ("decided_by__isnull", False)),
                    models.Q(
                        ("status__in", ["approved", "in-force", "failed", "ending", "ended"]),
                        _negated=True,
                    ),
                    _connector="OR",
                ),
                name="no_exception_without_an_approval_and_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approved_ends_at__isnull", True),
                    ("approved_ends_at__lte", models.F("ends_at")),
                    _connector="OR",
                ),
                name="no_exception_lasts_longer_than_asked_for",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "draft",
                            "requested",
                            "approved",
                            "in-force",
                            "failed",
                            "ending",
                            "ended",
                            "declined",
                            "withdrawn",
                            "lapsed",
                        ],
                    )
                ),
                name="exception_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ends_at__isnull", False), ("requested_at__isnull", False)),
                    ("status__in", ["draft", "withdrawn"]),
                    _connector="OR",
                ),
                name="only_a_draft_has_no_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ending_at__isnull", True),
                        ("ending_by__isnull", True),
                        ("ending_reason", ""),
                    ),
                    models.Q(
                        ("ending_at__isnull", False), models.Q(("ending_reason", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="an_exceptions_end_has_its_time_and_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ending_at__isnull", False),
                    models.Q(("status__in", ["ending", "ended"]), _negated=True),
                    _connector="OR",
                ),
                name="nothing_ends_without_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="exceptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("in_force_at__isnull", False),
                    models.Q(("status", "in-force"), _negated=True),
                    _connector="OR",
                ),
                name="in_force_is_only_what_was_proven",
            ),
        ),
    ]
