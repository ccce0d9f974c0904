"""Billing reads from the feed what its queue has lost."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from messaging.consumer import upsert_newer
from messaging.replica import AuthorityClient
from walkthrough.exercises.shop.billing.models import CachedUser, Checkpoint

AUTHORITY = "users"
#: Changes in a page. A real run reads thousands.
PAGE_ROWS = 2


def catch_up(client: AuthorityClient) -> int:
    """Read every change after the checkpoint into the copy. Returns the number of changes."""
    total = 0
    checkpoint, _ = Checkpoint.objects.get_or_create(authority=AUTHORITY)
    while True:
        page = client.changes(checkpoint.position, limit=PAGE_ROWS)
        with transaction.atomic(using="billing"):
            apply(page.results)
            checkpoint.position = page.next
            checkpoint.save()
        total += len(page.results)
        if page.next >= page.head:
            return total


def apply(changes: Sequence[dict[str, Any]]) -> None:
    """Write these changes to the copy. A row that a later event has moved on stays as it is."""
    rows = [{"user_id": one["id"], "version": one["version"], "source": "feed", **one["data"]} for one in changes]
    if rows:
        upsert_newer(CachedUser, rows, using="billing")
