"""The authority's facts: which users exist, and which are suspended. And its copy of the invoices that it suspends users for."""

import uuid

from django.db import models
from django.utils import timezone

from messaging.models import make_pages
from messaging.publisher import track


@track(tombstone=("status", "erased"))
class User(models.Model):
    """A user. An erased user stays as a tombstone with id and status, without personal data."""

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
        help_text="The owner's version that this row was copied from; 0 if it was created here.",
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


class CachedInvoice(models.Model):
    """The copy of an invoice of `billing`: whose it is, and if it is overdue."""

    class Status(models.TextChoices):
        ISSUED = "issued", "Issued"
        OVERDUE = "overdue", "Overdue"

    class Source(models.TextChoices):
        EVENT = "event", "Event"
        BOOTSTRAP = "bootstrap", "Bootstrap"
        REPAIR = "repair", "Repair"
        LOOKUP = "lookup", "Lookup"

    invoice_id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField(help_text="The user that it bills. No foreign key: billing says who it is.")
    status = models.CharField(max_length=10, choices=Status.choices)
    version = models.BigIntegerField(help_text="The invoice's version at billing.")
    source = models.CharField(max_length=10, choices=Source.choices)
    authority_time = models.DateTimeField(help_text="When the change happened, by billing's clock.")
    received_at = models.DateTimeField(help_text="When it arrived here.")
    deleted = models.BooleanField(default=False, editable=False, help_text="The invoice's row was deleted at billing.")
    postponed = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It became overdue while another context owned the users, so it suspends its user later.",
    )

    class Meta:
        verbose_name = "cached invoice"
        ordering = ["invoice_id"]

    def __str__(self) -> str:
        return f"{self.invoice_id} ({self.status}, v{self.version})"


# Admin pages for messaging's tables in this context's database.
make_pages(__name__)
