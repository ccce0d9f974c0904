from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import receiver

from orders.models import Order
from stock import signals  # -> import stock
from stock.models import Item  # -> import stock
from stock.signals import sold_out  # -> import stock


@receiver(post_save, sender=Item)  # -> signal stock
def on_item(sender, **more):
    """Nothing."""


@receiver([post_save, post_delete], sender="stock.Supplier")  # -> signal stock  # -> signal stock
def on_supplier(sender, **more):
    """Nothing."""


@receiver(sold_out)  # -> signal stock
def on_sold_out(sender, **more):
    """Nothing."""


@receiver(post_save, sender=Order)
def on_order(sender, **more):
    """Nothing."""


post_save.connect(on_item, sender=Item)  # -> signal stock
post_save.connect(on_item, Item)  # -> signal stock
signals.sold_out.connect(on_item)  # -> signal stock
m2m_changed.connect(on_order, sender=Order.suppliers.through)
