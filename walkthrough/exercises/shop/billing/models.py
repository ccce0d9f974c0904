"""Billing's copies of users' facts, and its own invoices."""

from django.db import models
from django.utils import timezone


class CachedUser(models.Model):
    """Billing's copy of a user."""

    user_id = models.UUIDField(primary_key=True)
    status = models.CharField(max_length=10)
    status_since = models.DateTimeField()
    plan = models.CharField(max_length=10, default="", db_default="")
    version = models.BigIntegerField()
    source = models.CharField(max_length=10)

    def __str__(self) -> str:
        return f"{self.user_id} ({self.status}, v{self.version})"


class CachedTeam(models.Model):
    """Billing's copy of a team."""

    team_id = models.BigIntegerField(primary_key=True)
    name = models.CharField(max_length=50)
    seats = models.IntegerField()
    version = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} ({self.seats} seats, v{self.version})"


class Checkpoint(models.Model):
    """The position up to which a copy has every change."""

    authority = models.CharField(max_length=50, primary_key=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.authority}: {self.position}"


class Invoice(models.Model):
    """The invoice of one user for one month."""

    user_id = models.UUIDField()
    period = models.CharField(max_length=7)
    issued_at = models.DateTimeField(default=timezone.now)
    staleness = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_id", "period"], name="billing_invoice_once")]

    def __str__(self) -> str:
        return f"{self.period} for {self.user_id}"


class ShadowRead(models.Model):
    """One comparison: the old source and billing's copy both answer about one user."""

    user_id = models.UUIDField()
    old_status = models.CharField(max_length=10, blank=True)
    copy_status = models.CharField(max_length=10, blank=True)
    agreed = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.old_status} / {self.copy_status}"
