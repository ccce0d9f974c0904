from django.db import models


class Account(models.Model):
    account_id = models.IntegerField(primary_key=True)
    active = models.BooleanField()
    version = models.BigIntegerField()
