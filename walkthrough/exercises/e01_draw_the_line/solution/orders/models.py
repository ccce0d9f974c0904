"""Orders, and the users that orders knows from events."""

from django.db import models


class KnownUser(models.Model):
    """Orders' own copy of a user. Events keep it up to date."""

    user_id = models.UUIDField(primary_key=True)
    status = models.CharField(max_length=10)

    def __str__(self) -> str:
        return f"{self.user_id} ({self.status})"


class Order(models.Model):
    """One user's order for one month."""

    user_id = models.UUIDField()
    month = models.CharField(max_length=7)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_id", "month"], name="orders_order_once")]

    def __str__(self) -> str:
        return f"{self.month} for {self.user_id}"
