"""A copy knows which users were deleted and not erased: they may come again. Older tombstones stay."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_plural_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="cacheduser",
            name="deleted",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The user's row was deleted, not erased, so a row with this id may come back.",
            ),
        ),
    ]
