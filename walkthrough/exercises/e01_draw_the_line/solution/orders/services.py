"""What orders does with users. It knows them by its own copy."""

import uuid

from orders.models import KnownUser, Order


def orders_place(*, month: str) -> int:
    """Place an order for each active user who has none for this month. Returns their number."""
    have = set(Order.objects.filter(month=month).values_list("user_id", flat=True))
    active = KnownUser.objects.filter(status="active").values_list("user_id", flat=True)
    return len(Order.objects.bulk_create([Order(user_id=user_id, month=month) for user_id in active if user_id not in have]))


def orders_to_stop(*, month: str) -> list[uuid.UUID]:
    """Return the users with an order for this month who aren't active any more."""
    active = KnownUser.objects.filter(status="active").values_list("user_id", flat=True)
    late = Order.objects.filter(month=month).exclude(user_id__in=active)
    return sorted(late.values_list("user_id", flat=True))
