"""The authority's facts: which users exist, and which are suspended."""

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


# Admin pages for messaging's tables in this context's database.
make_pages(__name__)
