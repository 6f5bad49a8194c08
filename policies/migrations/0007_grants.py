"""Grants instead of groups named like roles; labels of namespaces; rows of the trail about exceptions."""

from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone

_trail = import_module("policies.migrations.0002_audit_trail_is_append_only")
ROLES_BEFORE = ("viewer", "operator", "approver", "auditor", "admin")


def grant_to_groups(apps, schema_editor) -> None:
    """Let a group that was named like a role keep that role, on everything."""
    group_class = apps.get_model("auth", "Group")
    grant_class = apps.get_model("policies", "Grant")
    for group in group_class.objects.filter(name__in=ROLES_BEFORE):
        grant_class.objects.create(group=group, role=group.name, granted_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("policies", "0006_hardening"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # SQLite makes the table anew for a new column, and its triggers go with the old one.
        migrations.RunPython(_trail.drop_triggers, _trail.add_triggers),
        migrations.AddField(
            model_name="auditevent",
            name="exception_id",
            field=models.CharField(blank=True, db_index=True, max_length=36),
        ),
        migrations.RunPython(_trail.add_triggers, _trail.drop_triggers),
        migrations.AddField(
            model_name="observednamespace",
            name="labels",
            field=models.JSONField(default=dict),
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("viewer", "viewer"),
                            ("owner", "owner"),
                            ("operator", "operator"),
                            ("approver", "approver"),
                            ("auditor", "auditor"),
                            ("admin", "admin"),
                        ],
                        max_length=10,
                    ),
                ),
                ("namespace", models.CharField(blank=True, max_length=63)),
                ("selector", models.CharField(blank=True, max_length=500)),
                ("granted_at", models.DateTimeField()),
                (
                    "cluster",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="policies.cluster",
                    ),
                ),
                (
                    "granted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="auth.group",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("group__isnull", False), ("user__isnull", True)),
                            models.Q(("group__isnull", True), ("user__isnull", False)),
                            _connector="OR",
                        ),
                        name="a_grant_is_for_a_person_or_a_group",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("namespace", ""), ("selector", ""), _connector="OR"),
                        name="a_grant_names_a_namespace_or_labels",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "role__in",
                                ["viewer", "owner", "operator", "approver", "auditor", "admin"],
                            )
                        ),
                        name="the_role_of_a_grant_is_known",
                    ),
                    models.UniqueConstraint(
                        django.db.models.functions.comparison.Coalesce("user_id", 0),
                        django.db.models.functions.comparison.Coalesce("group_id", 0),
                        models.F("role"),
                        django.db.models.functions.comparison.Coalesce("cluster_id", 0),
                        models.F("namespace"),
                        models.F("selector"),
                        name="nothing_is_granted_twice",
                    ),
                ],
            },
        ),
        migrations.RunPython(grant_to_groups, migrations.RunPython.noop),
    ]
