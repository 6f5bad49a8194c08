"""Custom profiles, and triggers that refuse every change of a version that was saved."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TABLE = "policies_profileversion"
REFUSAL = "a saved version of a profile is never edited"

UP = {
    "sqlite": [
        f"""CREATE TRIGGER profile_version_no_update BEFORE UPDATE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"""
    ],
    "postgresql": [
        f"""CREATE FUNCTION profile_version_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        f"""CREATE TRIGGER profile_version_no_update BEFORE UPDATE ON {TABLE}
        FOR EACH ROW EXECUTE FUNCTION profile_version_refuse()""",
    ],
}
DOWN = {
    "sqlite": ["DROP TRIGGER profile_version_no_update"],
    "postgresql": [
        f"DROP TRIGGER profile_version_no_update ON {TABLE}",
        "DROP FUNCTION profile_version_refuse()",
    ],
}


def _run(schema_editor, by_vendor) -> None:
    for statement in by_vendor[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def add_triggers(apps, schema_editor) -> None:
    _run(schema_editor, UP)


def drop_triggers(apps, schema_editor) -> None:
    _run(schema_editor, DOWN)


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0002_audit_trail_is_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Profile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.SlugField(max_length=63)),
                (
                    "mechanism",
                    models.CharField(
                        choices=[("seccomp", "seccomp"), ("apparmor", "AppArmor")], max_length=10
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "retired_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ProfileVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("typed", "typed"),
                            ("uploaded", "uploaded"),
                            ("recorded", "recorded"),
                        ],
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                ("parser_outcome", models.CharField(max_length=10)),
                ("parser_message", models.TextField(blank=True)),
                ("created_at", models.DateTimeField()),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="policies.profile",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="profile",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired_at__isnull", True)),
                fields=("mechanism", "name"),
                name="one_profile_in_use_per_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="profile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("retired_at__isnull", True), ("retired_by__isnull", True)),
                    models.Q(("retired_at__isnull", False), ("retired_by__isnull", False)),
                    _connector="OR",
                ),
                name="a_retirement_has_its_person_and_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="profileversion",
            constraint=models.UniqueConstraint(
                fields=("profile", "number"), name="one_profile_version_per_number"
            ),
        ),
        migrations.RunPython(add_triggers, drop_triggers),
    ]
