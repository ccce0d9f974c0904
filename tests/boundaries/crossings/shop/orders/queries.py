from typing import TYPE_CHECKING

from django.db.models import Count, F, Prefetch, Q, Sum
from django.shortcuts import get_object_or_404

from orders.models import Crate, Line, Order

if TYPE_CHECKING:
    from stock.models import Supplier  # -> import stock


def paths(request, name: "Supplier"):
    Line.objects.filter(item__title="a")  # -> lookup stock
    Line.objects.filter(item__supplier__name="a")  # -> lookup stock
    Line.objects.filter(item=3, item__in=[3], item__isnull=True, item_id=3, item__id=3)
    Line.objects.filter(order__number="a")
    Line.objects.exclude(Q(item__title="a") | ~Q(order__number="a"))  # -> lookup stock
    Line.objects.filter(**{"item__title": "a"})  # -> lookup stock
    Line.objects.select_related("item", "order")  # -> lookup stock
    Line.objects.order_by("-item__title")  # -> lookup stock
    Line.objects.order_by("item")
    Order.objects.order_by("suppliers")  # -> lookup stock
    Line.objects.values("item", "item__title")  # -> lookup stock
    Line.objects.annotate(item__title=F("order__number"), text=F("item__title"))  # -> lookup stock
    Line.objects.aggregate(Sum("item__supplier__id"))  # -> lookup stock
    Order.objects.annotate(Count("lines")).prefetch_related("lines__item")  # -> lookup stock
    Order.objects.prefetch_related(Prefetch("lines", queryset=Line.objects.select_related("item")))  # -> lookup stock
    Order.objects.filter(suppliers=3, lines__order=3)
    Order.objects.filter(notes=3)  # -> lookup stock
    Order.objects.filter(buyer__username="a", by__username="a")  # -> lookup people  # -> lookup people
    Crate.objects.filter(title="a")
    get_object_or_404(Line, item__title="a")  # -> lookup stock
    Order.objects.get(pk=1).lines.filter(item__title="a")  # -> lookup stock


def names(order: Order, orders: "list[Order]"):
    lines = Line.objects.all()
    if order:
        lines = lines.filter(order=order)
    condition = Q(order=order)
    condition |= Q(item__title="a")  # -> lookup stock
    lines.filter(condition)
    order.lines.filter(item__title="b")  # -> lookup stock
    for each in orders:
        each.lines.filter(item__title="c")  # -> lookup stock
    [line.order.lines.filter(item__title="d") for line in lines]  # -> lookup stock
    recent().filter(item__title="e")  # -> lookup stock
    (Line.objects if order else lines).filter(item__title="f")  # -> lookup stock
    if (found := Line.objects.first()) and found.order.lines.filter(item__title="g"):  # -> lookup stock
        return
    made, _ = Order.objects.get_or_create(number="a")
    made.lines.filter(item__title="h")  # -> lookup stock


def clauses(order: Order):
    Line.objects.filter(_clause(), order=order)
    Line.objects.filter(~_clause(), order=order)


def _clause():
    return Q(item__title="a")  # -> lookup stock


async def later():
    order = await Order.objects.aget(number="a")
    await order.lines.aget(item__title="a")  # -> lookup stock


def recent():
    return Line.objects.all()[:5]


def unseen(anything, **arguments):
    anything.filter(item__title="a")  # a parameter without an annotation
    Line.objects.filter(**arguments)
    Line.objects.filter(**{f"item__{anything}": 1})
