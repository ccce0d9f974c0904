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
    page = client.changes(0, limit=PAGE_ROWS)  # 1. Only the first page, each time.
    with transaction.atomic(using="billing"):
        apply(page.results)
    # 2. A crash here leaves a page without its checkpoint.
    Checkpoint.objects.update_or_create(authority=AUTHORITY, defaults={"position": page.head})
    return len(page.results)


def apply(changes: Sequence[dict[str, Any]]) -> None:
    """Write these changes to the copy. A row that a later event has moved on stays as it is."""
    rows = [{"user_id": one["id"], "version": one["version"], "source": "feed", **one["data"]} for one in changes]
    if rows:
        upsert_newer(CachedUser, rows, using="billing")
