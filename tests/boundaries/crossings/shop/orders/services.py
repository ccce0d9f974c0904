from django.db import transaction
from django.utils.decorators import method_decorator

from orders.models import Line, Order


@transaction.atomic  # -> atomic stock
def direct(line: Line):
    line.save()
    line.item.save()


def block(line: Line):
    with transaction.atomic(using="default"):  # -> atomic stock
        Order.objects.create(number="a")
        line.item.supplier.delete()
    with transaction.atomic():
        line.save()
        line.order.save()
    line.item.save()


def by_calls(line: Line):
    with transaction.atomic():  # -> atomic stock
        _write(line)
        line.item.take()


def by_a_manager(line: Line):
    with transaction.atomic():  # -> atomic stock
        line.save()
        type(line.item).objects.take_all()


def by_a_class(line: Line):
    with transaction.atomic():  # -> atomic stock
        line.save()
        line.item.__class__.objects.take_all()


def _write(line: Line):
    line.order.lines.create(order=line.order)


def by_relation(order: Order):
    with transaction.atomic():
        order.save()
        order.suppliers.set([])  # a table of orders


class Service:
    @method_decorator(transaction.atomic)  # -> atomic people
    def run(self, order: Order):
        self._save(order)
        order.buyer.save()

    def _save(self, order):
        Order.objects.filter(pk=order.pk).update(number="b")


def later(line: Line):
    with transaction.atomic():
        line.save()
        transaction.on_commit(lambda: line.item.save())
