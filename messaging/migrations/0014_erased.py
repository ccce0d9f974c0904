"""The ledger tells who was erased from what was only deleted."""

from django.db import migrations, models

from messaging import ledger


def count_as_erased(apps, schema_editor):
    """Nobody knows of an older tombstone which of both it is, so it stays one. What can't be erased was deleted."""
    labels = [tracked.label for tracked in ledger.TRACKED.values() if tracked.tombstone]
    entries = apps.get_model("messaging", "Ledger").objects.using(schema_editor.connection.alias)
    entries.filter(deleted=True, aggregate__in=labels).update(erased=True)


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
        migrations.RunPython(count_as_erased, migrations.RunPython.noop),
    ]
