"""Counts of whole tables. Their cost grows with the table, so a slow count is kept for longer."""

import time
from collections.abc import Callable

from billing.models import CachedUser, Invoice
from monolith.models import Invoice as MonolithInvoice
from monolith.models import User as MonolithUser
from users.models import User

#: A count is kept for so many times as long as it took: counting then takes at most 2 % of the time.
SPARING = 50
#: The shortest time for which a count is kept, in seconds.
SHORTEST = 0.5

COUNTS: dict[str, Callable[[], int]] = {
    "rows": lambda: User.objects.using("users").count(),
    "copied": lambda: CachedUser.objects.using("billing").count(),
    "invoices": lambda: Invoice.objects.using("billing").count(),
    "people": lambda: MonolithUser.objects.using("monolith").count(),
    "bills": lambda: MonolithInvoice.objects.using("monolith").count(),
}


class Counted:
    """Counts by name, kept for a while."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, int]] = {}

    def __call__(self, name: str) -> int:
        until, known = self._kept.get(name, (0.0, 0))
        began = time.monotonic()
        if began < until:
            return known
        found = COUNTS[name]()
        now = time.monotonic()
        self._kept[name] = now + max(SHORTEST, SPARING * (now - began)), found
        return found

    def forget(self) -> None:
        """Count again at the next call."""
        self._kept.clear()


number_of = Counted()
