"""The ledger distinguishes erased rows from rows that were only deleted."""

from django.db import migrations, models

from messaging.database.engines import postgresql
from messaging.ledger import ledger


def count_as_erased(apps, schema_editor):
    """An older tombstone may be either, so it counts as erased if its model can be erased, and otherwise as deleted."""
    labels = [tracked.aggregate for tracked in ledger.TRACKED.values() if tracked.tombstone]
    entries = apps.get_model("messaging", "Ledger").objects.using(schema_editor.connection.alias)
    entries.filter(deleted=True, aggregate__in=labels).update(erased=True)


def let_triggers_go(apps, schema_editor):
    """Drop the triggers: they name a column that this removes, so every write would fail. The earlier release's `migrate` installs
    its own; until then its workers refuse to start, and its `republish` finds the writes."""
    connection = schema_editor.connection
    if connection.vendor == "postgresql":  # on SQLite every `migrate` drops and restores them
        for tracked in ledger.TRACKED.values():
            postgresql.drop_other_triggers(connection, tracked.table, "messaging_ledger_", [])


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0013_lease"),
    ]

    operations = [
        migrations.AddField(
            model_name="ledger",
            name="erased",
            field=models.BooleanField(
                db_default=False, default=False, help_text="It was erased. It stays a tombstone, whatever is written later."
            ),
        ),
        migrations.AlterField(
            model_name="ledger",
            name="deleted",
            field=models.BooleanField(default=False, help_text="A tombstone: the row was erased or deleted."),
        ),
        migrations.RunPython(count_as_erased, let_triggers_go),
    ]
