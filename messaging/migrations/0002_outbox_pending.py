"""An index for the relay on django-outbox-pattern's table. With only its own index on `status`, a claim sorts the backlog."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0001_initial"),
        ("django_outbox_pattern", "0006_published_published_status_27c9ec_btree"),
    ]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX messaging_outbox_pending ON published (added, id) WHERE status = 1",
            "DROP INDEX messaging_outbox_pending",
        )
    ]
