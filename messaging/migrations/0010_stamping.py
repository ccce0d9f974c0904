"""On PostgreSQL a round of the sequencer becomes a function: one round trip, and plans that the connection caches."""

from django.db import migrations

from messaging.database import engines


def install(apps, schema_editor):
    engines.for_alias(schema_editor.connection.alias).install_stamping(schema_editor.connection, marks=False)


def remove(apps, schema_editor):
    engines.for_alias(schema_editor.connection.alias).remove_stamping(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0009_subscription_floor")]
    operations = [migrations.RunPython(install, remove)]
