"""Sort ids in byte order on PostgreSQL, as UUIDs sort, so that a range of ids is a range of the index. SQLite sorts so anyway."""

from django.db import migrations


def collate(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute('ALTER TABLE messaging_ledger ALTER COLUMN aggregate_id TYPE varchar(100) COLLATE "C"')


def restore(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE messaging_ledger ALTER COLUMN aggregate_id TYPE varchar(100)")


class Migration(migrations.Migration):
    dependencies = [("messaging", "0004_feed_and_repairs")]
    operations = [migrations.RunPython(collate, restore)]
