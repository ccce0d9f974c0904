"""The plumbing's tables in the monolith's admin: proxies, so nothing changes in the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0006_partial_copies"),
        ("monolith", "0002_names_on_invoices"),
    ]

    operations = [
        migrations.CreateModel(
            name="Consumer",
            fields=[],
            options={
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("messaging.consumer",),
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[],
            options={
                "verbose_name": "ledger entry",
                "verbose_name_plural": "ledger",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("messaging.ledger",),
        ),
    ]
