"""The authority's facts: who exists, and who is suspended."""

import uuid

from django.db import models
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from messaging.events import title
from messaging.models import Consumer as MessagingConsumer
from messaging.models import Incident as MessagingIncident
from messaging.models import Ledger as MessagingLedger
from messaging.models import Ownership as MessagingOwnership
from messaging.models import Parked, Subscription
from messaging.models import Repair as MessagingRepair
from messaging.publisher import track


@track(tombstone=("status", "erased"))
class User(models.Model):
    """A user. An erased one stays as a tombstone: id and status, no personal data."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        ERASED = "erased", "Erased"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    status_since = models.DateTimeField(default=timezone.now, help_text="When the status became what it is.")
    suspension_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    origin_version = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The version at the owner that this row was copied from; 0: it began here.",
    )

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["email"], condition=~models.Q(email=""), name="users_user_email", violation_error_message="Taken already."
            )
        ]
        indexes = [models.Index(fields=["-created_at", "id"], name="users_user_newest")]

    def __str__(self) -> str:
        return self.email or f"erased user {self.id}"


# The plumbing's tables in this context's database, for its admin.


class Outbox(Published):
    class Meta:
        proxy = True
        verbose_name = "outbox event"
        verbose_name_plural = "outbox events"

    def __str__(self) -> str:
        return title(self.destination, self.body)


class Inbox(Received):
    class Meta:
        proxy = True
        verbose_name = "inbox event"
        verbose_name_plural = "inbox events"

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
        verbose_name_plural = "ledger entries"


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


class Ownership(MessagingOwnership):
    class Meta:
        proxy = True
        verbose_name = "ownership entry"
        verbose_name_plural = "ownership entries"
