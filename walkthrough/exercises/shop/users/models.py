"""The authority's facts: users, and the teams that they belong to."""

import uuid

from django.db import models
from django.utils import timezone


class User(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    status_since = models.DateTimeField(default=timezone.now)
    plan = models.CharField(max_length=10, default="basic")

    def __str__(self) -> str:
        return self.email


class Team(models.Model):
    """Nobody outside of `users` knows about teams yet."""

    name = models.CharField(max_length=50)
    contact_email = models.EmailField()
    seats_paid = models.IntegerField(default=0)
    seats_free = models.IntegerField(default=0)
    last_seen = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name
