"""What orders does with users."""

import uuid

from orders.models import Order
from walkthrough.exercises.shop.users.models import User


def orders_place(*, month: str) -> int:
    """Place an order for each active user who has none for this month. Returns their number."""
    users = User.objects.filter(status="active").exclude(orders__month=month)
    return len(Order.objects.bulk_create([Order(user=user, month=month) for user in users]))


def orders_to_stop(*, month: str) -> list[uuid.UUID]:
    """Return the users with an order for this month who aren't active any more."""
    late = Order.objects.filter(month=month).exclude(user__status="active")
    return sorted(late.values_list("user_id", flat=True))
