"""On PostgreSQL a round of the sequencer becomes a function: one round trip, and plans that the connection caches."""

from django.db import migrations

from messaging.migrations import _stamping


def install(apps, schema_editor):
    _stamping.install_stamping(schema_editor.connection, marks=False)


def remove(apps, schema_editor):
    _stamping.remove_stamping(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("messaging", "0009_subscription_floor")]
    operations = [migrations.RunPython(install, remove)]
