"""Each context has positions of its own in the ledger. Its context is the first word of an entry's aggregate.

On PostgreSQL the indexes are made beside writers. A `migrate` that was stopped makes them again.
"""

from django.db import migrations, models

from messaging.models import FirstWord

FIRST_WORD = "split_part(aggregate, '.', 1)"
PLACE = models.UniqueConstraint("position", FirstWord("aggregate"), name="messaging_ledger_place")
WAITING = models.Index(
    FirstWord("aggregate"), "changed_at", "id", condition=models.Q(position__isnull=True), name="messaging_ledger_waiting"
)


class AddPlace(migrations.AddConstraint):
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        columns = f'UNIQUE INDEX CONCURRENTLY {PLACE.name} ON messaging_ledger ("position", {FIRST_WORD})'
        if not made_beside_writers(self, to_state, schema_editor, PLACE.name, columns):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class AddWaiting(migrations.AddIndex):
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        columns = f'INDEX CONCURRENTLY {WAITING.name} ON messaging_ledger ({FIRST_WORD}, changed_at, id) WHERE "position" IS NULL'
        if not made_beside_writers(self, to_state, schema_editor, WAITING.name, columns):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


def made_beside_writers(operation, state, schema_editor, name, columns):
    """On PostgreSQL make an index without locking writers out. Returns False on SQLite, where nothing else can write meanwhile."""
    if not operation.allow_migrate_model(schema_editor.connection.alias, state.apps.get_model("messaging", "ledger")):
        return True
    postgresql = schema_editor.connection.vendor == "postgresql"
    schema_editor.execute(f"DROP INDEX {'CONCURRENTLY ' if postgresql else ''}IF EXISTS {name}")
    if postgresql:
        schema_editor.execute(f"CREATE {columns}")
    return postgresql


class AlterField(migrations.AlterField):
    atomic = True  # SQLite makes the table again


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("messaging", "0019_contexts"),
    ]

    operations = [
        AddPlace("ledger", PLACE),
        AddWaiting("ledger", WAITING),
        AlterField(
            "ledger",
            "position",
            models.BigIntegerField(help_text="Place in its context's feed; empty until it is stamped.", null=True),
        ),
        migrations.RemoveIndex("ledger", "messaging_ledger_pending"),
    ]
