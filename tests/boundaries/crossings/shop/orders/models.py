from django.conf import settings
from django.contrib.contenttypes.fields import GenericRelation
from django.db import models

from stock.models import Item, Stamped  # -> import stock


class Order(Stamped):
    number = models.CharField(max_length=50)
    buyer = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)  # -> foreign-key people
    suppliers = models.ManyToManyField("stock.Supplier")  # -> many-to-many stock
    notes = GenericRelation("stock.Note")  # -> generic-relation stock


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="lines")  # -> foreign-key stock


class Crate(Item):  # -> foreign-key stock
    weight = models.IntegerField()
