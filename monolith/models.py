"""The monolith before the split: users and their invoices in one database, connected by a foreign key.

Most Django projects look like this, and it works. Only `@track` is new: two triggers count versions, so that other contexts can
follow these tables while the monolith still writes to them.
"""

import uuid

from django.db import models
from django.utils import timezone

from messaging.models import make_pages
from messaging.publisher import track


@track(tombstone=("status", "erased"))
class User(models.Model):
    """A person with an account."""

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
        constraints = [models.UniqueConstraint(fields=["email"], condition=~models.Q(email=""), name="monolith_user_email")]
        indexes = [models.Index(fields=["-created_at", "id"], name="monolith_user_newest")]

    def __str__(self) -> str:
        return self.email or f"erased user {self.id}"


@track()
class Invoice(models.Model):
    """The invoice of one user for one month."""

    class Status(models.TextChoices):
        ISSUED = "issued", "Issued"
        OVERDUE = "overdue", "Overdue"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invoices")
    period = models.CharField(max_length=7, help_text="The month, as 2026-11.")
    amount_minor = models.PositiveIntegerField(help_text="In minor units: 1900 is 19.00.")
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ISSUED)
    issued_at = models.DateTimeField(default=timezone.now)
    review_reason = models.CharField(max_length=300, blank=True, help_text="Why a person should check it; empty otherwise.")
    origin_version = models.BigIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The owner's version that this row was copied from; 0 if it was created here.",
    )
    billed_to = models.CharField(max_length=200, blank=True, help_text="The user's name when the invoice was issued.")

    class Meta:
        ordering = ["-issued_at", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "period"], name="monolith_invoice_once")]
        indexes = [models.Index(fields=["-issued_at", "id"], name="monolith_invoice_newest")]

    def __str__(self) -> str:
        return f"{self.period} for {self.user_id}"


# Admin pages for messaging's tables in this database: the ledger, the consumers, the ownership.
make_pages(__name__, ("LedgerEntry", "Consumer", "Ownership"))
