"""Stamping rounds store marks, and consumers keep them. They reveal that a database was restored from a backup."""

import secrets

from django.db import migrations, models

from messaging.migrations import _stamping


def install(apps, schema_editor):
    _stamping.install_stamping(schema_editor.connection)


def mark_what_is_there(apps, schema_editor):
    """Store one mark for all positions until now, so that a database set back to before its first round is recognized."""
    using = schema_editor.connection.alias
    for sequence in apps.get_model("messaging", "Sequence").objects.using(using).filter(head__gt=0)[:1]:
        marks = apps.get_model("messaging", "Mark").objects.using(using)
        marks.get_or_create(position=sequence.head, defaults={"first": 1, "mark": secrets.token_hex(8), "previous": ""})


def install_without_marks(apps, schema_editor):
    _stamping.install_stamping(schema_editor.connection, marks=False)


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0011_plural_names"),
    ]

    operations = [
        migrations.CreateModel(
            name="Mark",
            fields=[
                (
                    "position",
                    models.BigIntegerField(help_text="The last position of the round.", primary_key=True, serialize=False),
                ),
                ("first", models.BigIntegerField(help_text="Its first position.")),
                ("mark", models.CharField(help_text="Random: no other history has it.", max_length=16)),
                ("previous", models.CharField(blank=True, help_text="The mark of the round before it.", max_length=16)),
            ],
        ),
        migrations.AddField(
            model_name="consumer",
            name="marks",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, help_text="Whether it knows of marks, so heartbeats carry them."
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="doubt",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why no decision may count this copy as fresh; empty: none.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="doubtful_since",
            field=models.DateTimeField(blank=True, help_text="Since when it is in doubt.", null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="marks",
            field=models.JSONField(
                blank=True,
                help_text="[position, mark, mark before, verified] of the rounds applied.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="incident",
            name="kind",
            field=models.CharField(
                choices=[("silent", "Changes without an event"), ("drift", "Drift"), ("restored", "Set back")], max_length=10
            ),
        ),
        # Programs of the last release call the same function, so their rounds store marks as soon as it is replaced.
        migrations.RunPython(install, install_without_marks),
        migrations.RunPython(mark_what_is_there, migrations.RunPython.noop),
    ]
