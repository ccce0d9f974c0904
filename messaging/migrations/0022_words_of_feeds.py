"""Help texts that say what a feed names. It changes the migrations' state only; the database has no help texts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0021_tracking"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="ledger",
                    name="aggregate",
                    field=models.CharField(help_text="What the row is, as its feed names it: users.user.", max_length=100),
                ),
                migrations.AlterField(
                    model_name="ledger",
                    name="aggregate_id",
                    field=models.CharField(help_text="The row's key as text, as in an event's subject.", max_length=100),
                ),
                migrations.AlterField(
                    model_name="tracking",
                    name="aggregate",
                    field=models.CharField(
                        help_text="What the rows are, as their feed names it: users.user.",
                        max_length=100,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ]
        ),
    ]
