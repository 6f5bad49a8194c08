"""What pages of large fleets are read by: digests beside the manifests of revisions, and indexes."""

from django.db import migrations, models

CHUNK = 200


def digests(apps, schema_editor) -> None:
    """Write the digests of each revision's objects beside them."""
    revisions = apps.get_model("policies", "DesiredRevision").objects.order_by("pk")
    last = 0
    while rows := list(revisions.filter(pk__gt=last).only("objects_wanted")[:CHUNK]):
        for row in rows:
            row.digests = {each["name"]: each["digest"] for each in row.objects_wanted}
            row.save(update_fields=["digests"])
        last = rows[-1].pk


class Migration(migrations.Migration):
    dependencies = [("policies", "0016_engine_state")]

    operations = [
        migrations.AddField(
            model_name="desiredrevision", name="digests", field=models.JSONField(default=dict)
        ),
        migrations.AddIndex(
            model_name="observedresult",
            index=models.Index(
                fields=["cluster", "at"], condition=models.Q(outcome="skip"), name="skipped_result"
            ),
        ),
        migrations.RunPython(digests, migrations.RunPython.noop),
    ]
