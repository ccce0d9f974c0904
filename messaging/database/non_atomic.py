"""Keep a host's `ATOMIC_REQUESTS` off the views of `messaging`."""

from collections.abc import Callable
from typing import Any

from django.db import connections, transaction


def without_transactions(view: Callable[..., Any]) -> Callable[..., Any]:
    """Exempt a view from `ATOMIC_REQUESTS` on every database.

    With a transaction per database, a request would need all of them. A long poll would keep them open, and on SQLite locked.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view
