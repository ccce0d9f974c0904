"""Older rows of a tracked model are entered in batches, and this table says how far that is."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0020_ledger_by_context"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tracking",
            fields=[
                (
                    "aggregate",
                    models.CharField(
                        help_text="The model, as Django labels it: users.user.", max_length=100, primary_key=True, serialize=False
                    ),
                ),
                ("entered", models.BigIntegerField(db_default=0, default=0, help_text="How many of its rows were read.")),
                (
                    "entered_to",
                    models.CharField(
                        blank=True, db_default="", default="", help_text="The key of the last row that was read.", max_length=100
                    ),
                ),
                (
                    "rows",
                    models.BigIntegerField(
                        help_text="How many rows the table had when they were counted; empty: not yet.", null=True
                    ),
                ),
            ],
        ),
    ]
