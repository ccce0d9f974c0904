from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models

from stock.signals import sold_out


class Supplier(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        ordering = ["name"]


class ItemQuerySet(models.QuerySet):
    def wanted(self):
        return self.filter(lines__order__number__gt="")  # -> lookup orders

    def take_all(self):
        self.update(title="taken")


class Item(models.Model):
    objects = ItemQuerySet.as_manager()

    supplier = models.ForeignKey(Supplier, on_delete=models.CASCADE)
    title = models.CharField(max_length=50)

    def take(self):
        self.title = "taken"
        self.save()
        sold_out.send(sender=type(self))


class Box(Item):
    size = models.IntegerField()


class Note(models.Model):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.IntegerField()
    content = GenericForeignKey()


class Stamped(models.Model):
    by = models.ForeignKey("people.Person", on_delete=models.SET_NULL, null=True, related_name="+")  # -> foreign-key orders:people

    class Meta:
        abstract = True
