"""Billing's own facts, and its copy of the users that it decides by."""

import uuid

from django.db import models
from django.utils import timezone

from messaging.models import make_pages
from messaging.publisher import track


class CachedUser(models.Model):
    """Billing's copy of a user: id and status, never an e-mail address, with version, age and origin."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        ERASED = "erased", "Erased"

    class Source(models.TextChoices):
        EVENT = "event", "Event"
        BOOTSTRAP = "bootstrap", "Bootstrap"
        REPAIR = "repair", "Repair"
        LOOKUP = "lookup", "Lookup"

    user_id = models.UUIDField(primary_key=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    status_since = models.DateTimeField(help_text="When the status became what it is, by the authority's clock.")
    version = models.BigIntegerField(help_text="The user's version at the authority.")
    source = models.CharField(max_length=10, choices=Source.choices)
    authority_time = models.DateTimeField(help_text="When the change happened, by the authority's clock.")
    received_at = models.DateTimeField(help_text="When it arrived here.")
    deleted = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="The user's row was deleted, not erased, so a row with this id may come back.",
    )

    class Meta:
        verbose_name = "cached user"
        ordering = ["user_id"]
        indexes = [
            # Partial, because nearly every row is active and the primary key has those in order. So a bootstrap, which writes
            # mostly active rows, rarely updates it.
            models.Index(fields=["status", "user_id"], condition=~models.Q(status="active"), name="billing_cacheduser_inactive"),
            models.Index(fields=["-received_at"], name="billing_cacheduser_received"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} ({self.status}, v{self.version})"


@track()
class Invoice(models.Model):
    """The invoice of one user for one month."""

    class Status(models.TextChoices):
        ISSUED = "issued", "Issued"
        OVERDUE = "overdue", "Overdue"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.UUIDField(help_text="The user's id at the authority; no foreign key.")
    period = models.CharField(max_length=7, help_text="The month, as 2026-11.")
    amount_minor = models.PositiveIntegerField(help_text="In minor units: 1900 is 19.00.")
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ISSUED)
    user_version = models.BigIntegerField(help_text="The version of the user that this invoice was decided on.")
    issued_at = models.DateTimeField(default=timezone.now)
    staleness = models.CharField(
        max_length=300, blank=True, help_text="What was wrong with the copy's age at the decision; empty if nothing was."
    )
    review_reason = models.CharField(max_length=300, blank=True, help_text="Why a person should check it; empty otherwise.")
    origin_version = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The owner's version that this row was copied from; 0 if it was created here.",
    )

    class Meta:
        ordering = ["-issued_at", "id"]
        constraints = [models.UniqueConstraint(fields=["user_id", "period"], name="billing_invoice_once")]
        indexes = [
            models.Index(fields=["-issued_at", "id"], name="billing_invoice_newest"),
            models.Index(fields=["period", "user_id"], name="billing_invoice_period"),
        ]

    def __str__(self) -> str:
        return f"{self.period} for {self.user_id}"


class Cutover(models.Model):
    """The source that billing reads users from, in at most one row. Every batch reads it. No row means billing's own cache."""

    class Source(models.TextChoices):
        MONOLITH = "monolith", "the monolith's tables"
        API = "api", "the API of users"
        SHADOW = "shadow", "the old source, compared with the cache"
        CACHE = "cache", "its own cache"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.CACHE)
    old = models.CharField(
        max_length=10, choices=Source.choices, blank=True, help_text="The live source before this one; it answers in shadow."
    )
    since = models.DateTimeField(default=timezone.now)
    agreed = models.PositiveBigIntegerField(default=0, help_text="Shadow reads that agreed since the last change to shadow.")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="billing_cutover_one")]

    def __str__(self) -> str:
        return f"{self.source} since {self.since:%Y-%m-%d %H:%M}"


class CutoverStep(models.Model):
    """A change of the source that billing reads users from."""

    before = models.CharField("from", max_length=10, choices=Cutover.Source.choices)
    after = models.CharField("to", max_length=10, choices=Cutover.Source.choices)
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    forced = models.BooleanField(default=False, help_text="The gate refused, and the step was forced.")
    reason = models.TextField(blank=True, help_text="The person's reason; for a forced step also what the gate lacked.")

    class Meta:
        verbose_name = "cutover step"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"


class ShadowMismatch(models.Model):
    """A user with different answers from the old source and the cache. It is open until a later read finds that they agree."""

    user_id = models.UUIDField()
    old_source = models.CharField(max_length=10, choices=Cutover.Source.choices)
    old_status = models.CharField(max_length=10, blank=True, help_text="Empty if the old source doesn't know the user.")
    old_version = models.BigIntegerField(null=True, blank=True)
    cache_status = models.CharField(max_length=10, blank=True, help_text="Empty if the cache doesn't know the user.")
    cache_version = models.BigIntegerField(null=True, blank=True)
    times = models.PositiveIntegerField(default=0, help_text="How many shadow reads saw it.")
    found_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="When it was last seen to differ.")
    settled_at = models.DateTimeField(null=True, blank=True, help_text="When a later read agreed.")

    class Meta:
        verbose_name = "shadow mismatch"
        verbose_name_plural = "shadow mismatches"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["user_id"], condition=models.Q(settled_at=None), name="billing_shadowmismatch_stands")
        ]

    def __str__(self) -> str:
        return f"{str(self.user_id)[:8]}: {self.old_source} says {self.old_words}, the cache says {self.cache_words}"

    @property
    def old_words(self) -> str:
        return _told(self.old_status, self.old_version)

    @property
    def cache_words(self) -> str:
        return _told(self.cache_status, self.cache_version)


def _told(status: str, version: int | None) -> str:
    return f"{status} (v{version})" if status else "nothing"


# Admin pages for messaging's tables in this context's database.
make_pages(__name__)
