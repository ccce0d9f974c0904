"""The host's own tables: `Parcel` has columns of each kind that a copy can have, `Depot` also others."""

import uuid

from django.db import models


class Depot(models.Model):
    """A place where parcels lie."""

    name = models.CharField(max_length=50, unique=True)
    kind = models.IntegerField(choices=[(1, "Hall"), (2, "Yard")])
    opens_at = models.TimeField()
    opened_at = models.DateTimeField()
    keeps_for = models.DurationField()
    score = models.FloatField()
    number = models.UUIDField()
    address = models.GenericIPAddressField()
    labels = models.JSONField()
    picture = models.BinaryField()
    is_open = models.BooleanField()

    def __str__(self):
        return self.name


class Parcel(models.Model):
    """A parcel, known by a UUID."""

    class State(models.TextChoices):
        PACKED = "packed", "Packed"
        SENT = "sent", "Sent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    depot = models.ForeignKey(Depot, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PACKED)
    weight = models.DecimalField(max_digits=8, decimal_places=3)
    pieces = models.PositiveSmallIntegerField()
    due = models.DateField()
    packed_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    owner_email = models.EmailField()
    note = models.TextField(blank=True)

    def __str__(self):
        return str(self.id)
