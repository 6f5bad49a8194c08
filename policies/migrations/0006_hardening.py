"""Workloads keep what else weakens them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("policies", "0005_variant_parameters"),
    ]

    operations = [
        migrations.AddField(
            model_name="observedworkload",
            name="hardening",
            field=models.JSONField(default=list),
        ),
    ]
