"""A table of the host's own, whose rows others know by another column than its primary key."""

from django.db import models


class Badge(models.Model):
    """A badge with which a person opens doors."""

    code = models.CharField(max_length=30, unique=True)
    fee = models.DecimalField(max_digits=8, decimal_places=2)
    valid_from = models.DateField()

    objects: "models.Manager[Badge]" = models.Manager()  # mypy reads the project's settings, which don't know this app

    def __str__(self) -> str:
        return self.code
