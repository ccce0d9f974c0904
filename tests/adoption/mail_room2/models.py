"""The mail room's copies."""

from django.db import models


class Person(models.Model):
    """A copy of an account. Its key is the account's integer."""

    person_id = models.IntegerField(primary_key=True)
    login = models.CharField(max_length=150)
    full_name = models.CharField(max_length=310)
    email = models.CharField(max_length=254)
    staff = models.BooleanField()
    active = models.BooleanField()
    last_login = models.DateTimeField(null=True)
    joined = models.DateTimeField()
    version = models.BigIntegerField()
    deleted = models.BooleanField(default=False)

    objects: "models.Manager[Person]" = models.Manager()  # mypy reads the project's settings, which don't know this app

    def __str__(self) -> str:
        return self.login


class Badge(models.Model):
    """A copy of a badge. Its amounts have more places than the owner's."""

    code = models.CharField(max_length=30, primary_key=True)
    fee = models.DecimalField(max_digits=12, decimal_places=4)
    deposit = models.DecimalField(max_digits=12, decimal_places=4)
    valid_from = models.DateField()
    version = models.BigIntegerField()

    objects: "models.Manager[Badge]" = models.Manager()

    def __str__(self) -> str:
        return self.code
