"""Variants get parameters and revisions of them; posture is tallied by judge. What `controls` said becomes revision 1."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def fill_parameters(apps, schema_editor) -> None:
    Variant = apps.get_model("policies", "Variant")
    VariantRevision = apps.get_model("policies", "VariantRevision")
    DesiredRevision = apps.get_model("policies", "DesiredRevision")
    for variant in Variant.objects.all():
        variant.parameters = {"controls": variant.controls}
        variant.save(update_fields=["parameters"])
        first = VariantRevision.objects.create(
            variant=variant,
            number=1,
            parameters=variant.parameters,
            target=variant.target,
            api_version=variant.api_version,
            created_by_id=variant.created_by_id,
            created_at=variant.created_at,
        )
        DesiredRevision.objects.filter(variant=variant).update(compiled_from=first)
    _check_now(schema_editor)


def empty_parameters(apps, schema_editor) -> None:
    for variant in apps.get_model("policies", "Variant").objects.all():
        variant.controls = variant.parameters["controls"]
        variant.save(update_fields=["controls"])
    # The last posture tallies were counted by judges that the old rows have no name for.
    apps.get_model("policies", "PostureTally").objects.all().delete()
    _check_now(schema_editor)


def _check_now(schema_editor) -> None:
    # PostgreSQL changes no table whose rows still wait for their foreign keys to be checked.
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0004_inventory"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="variant",
            name="parameters",
            field=models.JSONField(default=dict),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="variant",
            name="revision_number",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.CreateModel(
            name="VariantRevision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("parameters", models.JSONField()),
                ("target", models.CharField(max_length=40)),
                ("api_version", models.CharField(max_length=60)),
                ("note", models.TextField(blank=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "variant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="wishes",
                        to="policies.variant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("variant", "number"), name="one_variant_revision_per_number"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="desiredrevision",
            name="compiled_from",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="compiled",
                to="policies.variantrevision",
            ),
        ),
        # On the way back the column must be there, and may be empty, before it is filled.
        migrations.AlterField(
            model_name="variant", name="controls", field=models.JSONField(default=list)
        ),
        migrations.RunPython(fill_parameters, empty_parameters),
        migrations.AlterField(
            model_name="desiredrevision",
            name="compiled_from",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="compiled",
                to="policies.variantrevision",
            ),
        ),
        migrations.RemoveField(model_name="variant", name="controls"),
        migrations.AddField(
            model_name="observedworkload",
            name="exempt_from",
            field=models.JSONField(default=list),
        ),
        migrations.RemoveConstraint(model_name="posturetally", name="one_posture_tally"),
        migrations.RenameField(model_name="posturetally", old_name="control", new_name="judge"),
        migrations.AlterField(
            model_name="posturetally", name="judge", field=models.CharField(max_length=160)
        ),
        migrations.AlterField(
            model_name="posturetally",
            name="namespace",
            field=models.CharField(blank=True, max_length=63),
        ),
        migrations.AddConstraint(
            model_name="posturetally",
            constraint=models.UniqueConstraint(
                fields=("cluster", "namespace", "judge"), name="one_posture_tally"
            ),
        ),
    ]
