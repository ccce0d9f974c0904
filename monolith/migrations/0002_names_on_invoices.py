"""Invoices get the name of whom they are for: a column on one table, filled from the other.

In one database such a migration is one statement. It locks both tables while it runs, and it is what a split has to take apart first:
after it two tables hold one person's name.
"""

from django.db import migrations, models

FILL = """
UPDATE monolith_invoice
SET billed_to = (
    SELECT name FROM monolith_user WHERE monolith_user.id = monolith_invoice.user_id
)
"""


class Migration(migrations.Migration):
    dependencies = [("monolith", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="invoice",
            name="billed_to",
            field=models.CharField(blank=True, help_text="The user's name when the invoice was issued.", max_length=200),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
