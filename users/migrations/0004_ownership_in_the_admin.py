"""Who owns rows that move, in this context's admin: a proxy, so nothing changes in the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0008_ownership"),
        ("users", "0003_user_origin_version"),
    ]

    operations = [
        migrations.CreateModel(
            name="Ownership",
            fields=[],
            options={
                "verbose_name": "ownership",
                "verbose_name_plural": "ownership",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("messaging.ownership",),
        ),
    ]
