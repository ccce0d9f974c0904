"""Billing's own facts, and its cache of the users' facts that it decides by."""

import uuid

from django.db import models
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from messaging.ledger import track
from messaging.models import Consumer as MessagingConsumer
from messaging.models import Incident as MessagingIncident
from messaging.models import Ledger as MessagingLedger
from messaging.models import Parked, Subscription
from messaging.models import Repair as MessagingRepair
from messaging.titles import title


class CachedUser(models.Model):
    """Billing's copy of a user: id and status, never an e-mail address. It knows its version, its age and where it came from."""

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

    class Meta:
        verbose_name = "cached user"
        ordering = ["user_id"]
        indexes = [
            models.Index(fields=["status", "user_id"], name="billing_cacheduser_status"),
            models.Index(fields=["-received_at"], name="billing_cacheduser_received"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} ({self.status}, v{self.version})"


@track()
class Invoice(models.Model):
    """One month's invoice to one user."""

    class Status(models.TextChoices):
        ISSUED = "issued", "Issued"
        OVERDUE = "overdue", "Overdue"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.UUIDField(help_text="The user's id at the authority; not a foreign key, it lives in another database.")
    period = models.CharField(max_length=7, help_text="The month, as 2026-11.")
    amount_minor = models.PositiveIntegerField(help_text="In minor units: 1900 is 19.00.")
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ISSUED)
    user_version = models.BigIntegerField(help_text="The version of the user that this invoice was decided on.")
    issued_at = models.DateTimeField(default=timezone.now)
    staleness = models.CharField(
        max_length=300, blank=True, help_text="What was amiss with the copy's age when this was decided; empty where nothing was."
    )
    review_reason = models.CharField(max_length=300, blank=True, help_text="Why a person should look at it; empty if nobody need.")

    class Meta:
        ordering = ["-issued_at", "id"]
        constraints = [models.UniqueConstraint(fields=["user_id", "period"], name="billing_invoice_once")]
        indexes = [
            models.Index(fields=["-issued_at", "id"], name="billing_invoice_newest"),
            models.Index(fields=["period", "user_id"], name="billing_invoice_period"),
        ]

    def __str__(self) -> str:
        return f"{self.period} for {self.user_id}"


# The plumbing's tables in this context's database, for its admin.


class Outbox(Published):
    class Meta:
        proxy = True
        verbose_name = "outbox event"
        verbose_name_plural = "outbox"

    def __str__(self) -> str:
        return title(self.destination, self.body)


class Inbox(Received):
    class Meta:
        proxy = True
        verbose_name = "inbox event"
        verbose_name_plural = "inbox"

    def __str__(self) -> str:
        return title(self.destination, self.headers)


class ParkedMessage(Parked):
    class Meta:
        proxy = True
        verbose_name = "parked message"


class LedgerEntry(MessagingLedger):
    class Meta:
        proxy = True
        verbose_name = "ledger entry"
        verbose_name_plural = "ledger"


class Consumer(MessagingConsumer):
    class Meta:
        proxy = True


class Authority(Subscription):
    class Meta:
        proxy = True
        verbose_name = "subscription"


class Incident(MessagingIncident):
    class Meta:
        proxy = True


class Repair(MessagingRepair):
    class Meta:
        proxy = True
