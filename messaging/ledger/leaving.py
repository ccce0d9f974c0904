"""Takes a model out of the ledger: its triggers and their functions, then its entries. Nothing of it stays."""

from collections.abc import Callable

from django.db import connections

from messaging import failpoints
from messaging.database import engines
from messaging.database.lock_waits import Say, retried, silent
from messaging.ledger import entering
from messaging.models import Ledger, Tracking

BATCH_ROWS = 1000


def untrack(
    using: str, label: str, table: str, *, progress: Callable[[int], None] = lambda entries: None, say: Say = silent
) -> int:
    """Remove a model's triggers from its table, which may be gone, and its entries from the ledger. Returns how many entries it
    deleted. Safe to stop and to repeat. Raises `TableBusy`.

    The triggers go first, in one short transaction, so no new entry arrives. The entries are deleted in batches, and until the last
    one is, the feed is closed.
    """

    def work() -> None:
        engines.for_alias(using).remove_triggers(connections[using], table)
        entering.begin(using, label)

    retried(using, table, work, say)
    entries, total, last = Ledger.objects.using(using).filter(aggregate=label), 0, 0
    # By id and not by label: the index of the labels begins with the aggregate's id.
    while batch := list(entries.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH_ROWS]):
        entries.filter(pk__gt=last, pk__lte=batch[-1]).delete()
        failpoints.reach("untrack.deleted")
        last, total = batch[-1], total + len(batch)
        progress(len(batch))
    Tracking.objects.using(using).filter(pk=label).delete()
    return total
