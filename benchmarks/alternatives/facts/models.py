"""The same rows as in `users` and `billing`. A process uses one of the tables, depending on its database."""

import uuid
from typing import Any

from django.db import models
from django.utils import timezone


class User(models.Model):
    """The authority's row. It counts its own version, because there is no ledger."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=10, default="active")
    status_since = models.DateTimeField(default=timezone.now)
    suspension_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.BigIntegerField(default=1)

    objects: models.Manager[Any] = models.Manager()

    class Meta:
        app_label = "facts"
        indexes = [models.Index(fields=["-created_at", "id"], name="facts_user_newest")]

    def __str__(self) -> str:
        return self.email


class CachedUser(models.Model):
    """The consumer's copy, with the columns and indexes of `billing_cacheduser`."""

    user_id = models.UUIDField(primary_key=True)
    status = models.CharField(max_length=10)
    status_since = models.DateTimeField()
    version = models.BigIntegerField()
    source = models.CharField(max_length=10)
    authority_time = models.DateTimeField()
    received_at = models.DateTimeField()

    objects: models.Manager[Any] = models.Manager()

    class Meta:
        app_label = "facts"
        indexes = [
            models.Index(fields=["status", "user_id"], condition=~models.Q(status="active"), name="facts_cacheduser_inactive"),
            models.Index(fields=["-received_at"], name="facts_cacheduser_received"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} v{self.version}"
