"""Chain the audit trail by hash: rows that are there are numbered without gaps and hashed in their order.

The triggers are off only within this migration. Afterwards they refuse, besides every change, a row that does not
continue the chain, and they alone move the head.
"""

from importlib import import_module

from django.core.management.color import no_style
from django.db import migrations, models

from policies.domain.trail import GENESIS, TrailRecord, sealed

_trail = import_module("policies.migrations.0002_audit_trail_is_append_only")

CHUNK = 1000
CONTENT = (
    "at",
    "actor",
    "verb",
    "cluster",
    "variant",
    "flip_id",
    "exception_id",
    "plan_digest",
    "outcome",
    "message",
    "details",
)

SQLITE_UP = [
    """CREATE TRIGGER audit_event_chain BEFORE INSERT ON policies_auditevent
    WHEN length(NEW.hash) <> 64 OR NOT EXISTS (
      SELECT 1 FROM policies_trailhead WHERE sequence + 1 = NEW.id AND hash = NEW.previous_hash)
    BEGIN SELECT RAISE(ABORT, 'the row does not continue the audit trail'); END""",
    """CREATE TRIGGER audit_event_advance AFTER INSERT ON policies_auditevent
    BEGIN UPDATE policies_trailhead SET sequence = NEW.id, hash = NEW.hash; END""",
    """CREATE TRIGGER trail_head_only_advances BEFORE UPDATE ON policies_trailhead
    WHEN NEW.id <> OLD.id OR NEW.sequence <> OLD.sequence + 1 OR NOT EXISTS (
      SELECT 1 FROM policies_auditevent WHERE id = NEW.sequence AND hash = NEW.hash)
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER trail_head_no_insert BEFORE INSERT ON policies_trailhead
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    """CREATE TRIGGER trail_head_no_delete BEFORE DELETE ON policies_trailhead
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
]
SQLITE_DOWN = [
    "DROP TRIGGER audit_event_chain",
    "DROP TRIGGER audit_event_advance",
    "DROP TRIGGER trail_head_only_advances",
    "DROP TRIGGER trail_head_no_insert",
    "DROP TRIGGER trail_head_no_delete",
]

# The head's guard lets pass what the trigger below it does, and nothing else.
POSTGRESQL_UP = [
    """CREATE FUNCTION audit_event_chain() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM policies_trailhead WHERE sequence + 1 = NEW.id AND hash = NEW.previous_hash FOR UPDATE;
      IF NOT FOUND OR length(NEW.hash) <> 64 THEN
        RAISE EXCEPTION 'the row does not continue the audit trail' USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      UPDATE policies_trailhead SET sequence = NEW.id, hash = NEW.hash;
      RETURN NEW;
    END $$""",
    """CREATE TRIGGER audit_event_chain BEFORE INSERT ON policies_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_event_chain()""",
    """CREATE FUNCTION trail_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN RETURN NEW; END IF;
      RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$""",
    """CREATE TRIGGER trail_head_guard BEFORE INSERT OR UPDATE OR DELETE ON policies_trailhead
    FOR EACH ROW EXECUTE FUNCTION trail_head_guard()""",
    """CREATE TRIGGER trail_head_no_truncate BEFORE TRUNCATE ON policies_trailhead
    FOR EACH STATEMENT EXECUTE FUNCTION trail_head_guard()""",
]
POSTGRESQL_DOWN = [
    "DROP TRIGGER trail_head_no_truncate ON policies_trailhead",
    "DROP TRIGGER trail_head_guard ON policies_trailhead",
    "DROP FUNCTION trail_head_guard()",
    "DROP TRIGGER audit_event_chain ON policies_auditevent",
    "DROP FUNCTION audit_event_chain()",
]


def _run(schema_editor, by_vendor) -> None:
    for statement in by_vendor[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def add_triggers(apps, schema_editor) -> None:
    _run(schema_editor, {"sqlite": SQLITE_UP, "postgresql": POSTGRESQL_UP})


def drop_triggers(apps, schema_editor) -> None:
    _run(schema_editor, {"sqlite": SQLITE_DOWN, "postgresql": POSTGRESQL_DOWN})


def chain(apps, schema_editor) -> None:
    """Number and hash what is there, in the order of ids; a number is never above the id that it takes the place of."""
    events = apps.get_model("policies", "AuditEvent").objects.order_by("id")
    last_id, sequence, digest = 0, 0, GENESIS
    while rows := list(events.filter(id__gt=last_id)[:CHUNK]):
        links = []
        for row in rows:
            sequence += 1
            record = sealed(_record(row, sequence, digest))
            digest = record.hash
            links.append((sequence, record.previous_hash, record.hash, row.id))
        last_id = rows[-1].id
        with schema_editor.connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE policies_auditevent SET id = %s, previous_hash = %s, hash = %s"
                " WHERE id = %s",
                links,
            )
    apps.get_model("policies", "TrailHead").objects.create(id=1, sequence=sequence, hash=digest)


def _record(row, sequence: int, previous_hash: str) -> TrailRecord:
    return TrailRecord(
        sequence=sequence,
        previous_hash=previous_hash,
        namespaces=tuple(row.namespaces),
        **{name: getattr(row, name) for name in CONTENT},
    )


def count_on(apps, schema_editor) -> None:
    """On the way back: let the database count ids again, from the last one on."""
    connection = schema_editor.connection
    model = apps.get_model("policies", "AuditEvent")
    for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("policies", "0008_exceptions")]

    operations = [
        migrations.RunPython(_trail.drop_triggers, _trail.add_triggers),
        migrations.CreateModel(
            name="TrailHead",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False),
                ),
                ("sequence", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="the_trail_has_one_head"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="KeptHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                ("sequence", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("installation", models.CharField(max_length=253)),
                ("key_id", models.CharField(blank=True, max_length=16)),
                ("signature", models.CharField(blank=True, max_length=88)),
            ],
        ),
        migrations.CreateModel(
            name="TrailCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_index=True)),
                ("seconds", models.FloatField()),
                ("verified_to", models.BigIntegerField()),
                ("broken_at", models.BigIntegerField(null=True)),
                ("fault", models.CharField(blank=True, max_length=20)),
                ("sentence", models.TextField(blank=True)),
            ],
        ),
        migrations.AddField(
            model_name="auditevent",
            name="previous_hash",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="auditevent",
            name="hash",
            field=models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="actor",
            field=models.CharField(db_index=True, max_length=150),
        ),
        migrations.RunPython(migrations.RunPython.noop, count_on),
        migrations.AlterField(
            model_name="auditevent",
            name="id",
            field=models.BigIntegerField(primary_key=True, serialize=False),
        ),
        migrations.RunPython(chain, migrations.RunPython.noop),
        migrations.RunPython(_trail.add_triggers, _trail.drop_triggers),
        migrations.RunPython(add_triggers, drop_triggers),
    ]
