"""Help texts in plainer words. It changes the migrations' state only; the database has no help texts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0016_lost_erasure"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="consumer",
                    name="bootstrap_closes_at",
                    field=models.DateTimeField(
                        blank=True, help_text="When that permission ends; empty: when the bootstrap succeeds.", null=True
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="bootstrapped_to",
                    field=models.BigIntegerField(
                        default=0,
                        help_text="The position at which it last went live. It may read below that only while its bootstrap is open.",
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="feeds",
                    field=models.JSONField(
                        blank=True, default=list, help_text="The feeds that it reads; empty: the context's main one."
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="fields",
                    field=models.JSONField(default=list, help_text="The fields of `data` that it gets."),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="grant",
                    field=models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        editable=False,
                        help_text="Random: identifies the last time that its bootstrap was opened; empty: at its registration.",
                        max_length=16,
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="marks",
                    field=models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        help_text="Whether it understands marks; heartbeats then carry them.",
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="owners",
                    field=models.JSONField(blank=True, default=list, help_text="E-mail addresses that are notified of repairs."),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="queue",
                    field=models.CharField(
                        blank=True, help_text="The queue that its events go to; empty: it only pulls the feed.", max_length=50
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="reported_at",
                    field=models.DateTimeField(blank=True, help_text="When it last reported.", null=True),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="staleness_seconds",
                    field=models.PositiveIntegerField(
                        default=900, help_text="How old its copy may be for its decisions, in seconds."
                    ),
                ),
                migrations.AlterField(
                    model_name="consumer",
                    name="types",
                    field=models.JSONField(default=list, help_text="The event types that it gets."),
                ),
                migrations.AlterField(
                    model_name="lease",
                    name="ends",
                    field=models.DateTimeField(help_text="When it ends if it isn't renewed, by the database's clock."),
                ),
                migrations.AlterField(
                    model_name="lease",
                    name="machine",
                    field=models.CharField(help_text="A value that identifies the holder's machine.", max_length=32),
                ),
                migrations.AlterField(
                    model_name="lease",
                    name="name",
                    field=models.CharField(
                        help_text="The context and the work, as billing: bootstrap-users.",
                        max_length=150,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                migrations.AlterField(
                    model_name="lease",
                    name="owner",
                    field=models.CharField(help_text="A random value that identifies the holder.", max_length=32),
                ),
                migrations.AlterField(
                    model_name="ledger",
                    name="aggregate_id",
                    field=models.CharField(help_text="The primary key as text, as in an event's subject.", max_length=100),
                ),
                migrations.AlterField(
                    model_name="mark",
                    name="first",
                    field=models.BigIntegerField(help_text="The first position of the round."),
                ),
                migrations.AlterField(
                    model_name="ownership",
                    name="owner",
                    field=models.CharField(help_text="The context that may write its rows.", max_length=50),
                ),
                migrations.AlterField(
                    model_name="ownership",
                    name="since",
                    field=models.DateTimeField(auto_now_add=True, help_text="Since when this context is the owner."),
                ),
                migrations.AlterField(
                    model_name="ownership",
                    name="until",
                    field=models.DateTimeField(
                        blank=True, help_text="When a write pause ends by itself, even if its process was killed.", null=True
                    ),
                ),
                migrations.AlterField(
                    model_name="ownership",
                    name="verdict",
                    field=models.CharField(
                        blank=True, help_text="The verdict of the last comparison of both sides.", max_length=20
                    ),
                ),
                migrations.AlterField(
                    model_name="parked",
                    name="envelope",
                    field=models.JSONField(help_text="The event as it arrived, if it can be stored as JSON.", null=True),
                ),
                migrations.AlterField(
                    model_name="parked",
                    name="raw",
                    field=models.TextField(blank=True, help_text="The message as text, if it can't be stored as JSON."),
                ),
                migrations.AlterField(
                    model_name="repair",
                    name="consumers",
                    field=models.JSONField(default=list, help_text="The consumers that it affected."),
                ),
                migrations.AlterField(
                    model_name="repair",
                    name="window",
                    field=models.CharField(blank=True, help_text="The command's options.", max_length=300),
                ),
                migrations.AlterField(
                    model_name="sequence",
                    name="floor",
                    field=models.BigIntegerField(
                        default=0, help_text="Tombstones up to here may be purged, so a reader that stopped below must bootstrap."
                    ),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="ahead",
                    field=models.JSONField(
                        default=list, help_text="Ranges [first, last] applied beyond the checkpoint, after a gap."
                    ),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="behind_since",
                    field=models.DateTimeField(blank=True, help_text="Since when changes up to the head are missing.", null=True),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="doubt",
                    field=models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Why no decision may treat this copy as fresh; empty: it isn't doubtful.",
                        max_length=300,
                    ),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="doubtful_since",
                    field=models.DateTimeField(blank=True, help_text="Since when it is doubtful.", null=True),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="floor",
                    field=models.BigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="The authority's floor when this copy was started from 0. It doesn't need the tombstones purged up to there.",
                    ),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="grant",
                    field=models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        editable=False,
                        help_text="The authority's latest grant when this copy went live.",
                        max_length=16,
                    ),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="head",
                    field=models.BigIntegerField(default=0, help_text="The authority's head, as last received."),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="heartbeat_at",
                    field=models.DateTimeField(blank=True, help_text="When the authority's head was last received.", null=True),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="obsolete",
                    field=models.BigIntegerField(default=0, help_text="Events that weren't newer than the cache's row."),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="owners",
                    field=models.JSONField(
                        blank=True, default=list, help_text="Who is notified of repairs; from the authority's register."
                    ),
                ),
                migrations.AlterField(
                    model_name="subscription",
                    name="partial",
                    field=models.BooleanField(
                        default=False, help_text="Started at the head, without older rows: missing rows aren't drift."
                    ),
                ),
            ]
        ),
    ]
