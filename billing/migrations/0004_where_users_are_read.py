"""Where billing reads users from, how that changed, and what shadow reads found."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_invoice_staleness"),
    ]

    operations = [
        migrations.CreateModel(
            name="CutoverStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "before",
                    models.CharField(
                        choices=[
                            ("monolith", "the monolith's tables"),
                            ("api", "the API of users"),
                            ("shadow", "the old source, compared with the cache"),
                            ("cache", "its own cache"),
                        ],
                        max_length=10,
                        verbose_name="from",
                    ),
                ),
                (
                    "after",
                    models.CharField(
                        choices=[
                            ("monolith", "the monolith's tables"),
                            ("api", "the API of users"),
                            ("shadow", "the old source, compared with the cache"),
                            ("cache", "its own cache"),
                        ],
                        max_length=10,
                        verbose_name="to",
                    ),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("by", models.CharField(max_length=150)),
                ("forced", models.BooleanField(default=False, help_text="The gate refused, and the step was forced.")),
                (
                    "reason",
                    models.TextField(blank=True, help_text="The person's reason; for a forced step also what the gate lacked."),
                ),
            ],
            options={
                "verbose_name": "cutover step",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Cutover",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("monolith", "the monolith's tables"),
                            ("api", "the API of users"),
                            ("shadow", "the old source, compared with the cache"),
                            ("cache", "its own cache"),
                        ],
                        default="cache",
                        max_length=10,
                    ),
                ),
                (
                    "old",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("monolith", "the monolith's tables"),
                            ("api", "the API of users"),
                            ("shadow", "the old source, compared with the cache"),
                            ("cache", "its own cache"),
                        ],
                        help_text="The live source before this one; it answers in shadow.",
                        max_length=10,
                    ),
                ),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "agreed",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Shadow reads that agreed since the last change to shadow."
                    ),
                ),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="billing_cutover_one")],
            },
        ),
        migrations.CreateModel(
            name="ShadowMismatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.UUIDField()),
                (
                    "old_source",
                    models.CharField(
                        choices=[
                            ("monolith", "the monolith's tables"),
                            ("api", "the API of users"),
                            ("shadow", "the old source, compared with the cache"),
                            ("cache", "its own cache"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "old_status",
                    models.CharField(blank=True, help_text="Empty if the old source doesn't know the user.", max_length=10),
                ),
                ("old_version", models.BigIntegerField(blank=True, null=True)),
                (
                    "cache_status",
                    models.CharField(blank=True, help_text="Empty if the cache doesn't know the user.", max_length=10),
                ),
                ("cache_version", models.BigIntegerField(blank=True, null=True)),
                ("times", models.PositiveIntegerField(default=0, help_text="How many shadow reads saw it.")),
                ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now, help_text="When it was last seen to differ.")),
                ("settled_at", models.DateTimeField(blank=True, help_text="When a later read agreed.", null=True)),
            ],
            options={
                "verbose_name": "shadow mismatch",
                "verbose_name_plural": "shadow mismatches",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("settled_at", None)), fields=("user_id",), name="billing_shadowmismatch_stands"
                    )
                ],
            },
        ),
    ]
