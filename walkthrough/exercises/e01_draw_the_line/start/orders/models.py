"""Orders, and the users that orders knows from events."""

from django.db import models

from walkthrough.exercises.shop.users.models import User


class KnownUser(models.Model):
    """Orders' own copy of a user. Events keep it up to date."""

    user_id = models.UUIDField(primary_key=True)
    status = models.CharField(max_length=10)

    def __str__(self) -> str:
        return f"{self.user_id} ({self.status})"


class Order(models.Model):
    """One user's order for one month."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="orders")
    month = models.CharField(max_length=7)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "month"], name="orders_order_once")]

    def __str__(self) -> str:
        return f"{self.month} for {self.user_id}"
