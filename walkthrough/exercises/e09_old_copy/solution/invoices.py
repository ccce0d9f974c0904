"""Bills the active users of billing's copy."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from messaging.replica import BatchLookup, Policy, staleness
from walkthrough.exercises.shop.billing.models import CachedUser, Invoice

CONTEXT, AUTHORITY = "billing", "users"
#: Users per batch. A real run takes a thousand.
BATCH = 2


@dataclass
class Run:
    """What became of the users."""

    issued: int = 0
    #: Active users who weren't decided on.
    held: int = 0
    #: What was wrong with the copy; empty if nothing was.
    reason: str = ""


def invoices_generate(*, period: str, policy: Policy, bound: timedelta) -> Run:
    """Bill each active user for a month, batch by batch. `bound`: the greatest age at which the copy may decide."""
    run, asking = Run(), BatchLookup(CONTEXT, AUTHORITY)
    left = _active()
    try:
        while left:
            batch, left = left[:BATCH], left[BATCH:]
            doubt = staleness.doubt(CONTEXT, AUTHORITY, bound)
            run.reason = run.reason or doubt
            if doubt and policy is Policy.HOLD:
                run.held += len(batch) + len(left)
                break
            if doubt and policy is Policy.ASK:
                unanswered = asking.unanswered(batch)
                run.held += len(unanswered)
                batch, doubt = _active_of([one for one in batch if one not in unanswered]), ""
            run.issued += _issue(batch, period, doubt)
    finally:
        asking.close()
    return run


def _active() -> list[uuid.UUID]:
    """The active users of the copy, by id."""
    return list(CachedUser.objects.filter(status="active").order_by("pk").values_list("pk", flat=True))


def _active_of(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Those of these users that are active in the copy now."""
    return [user_id for user_id in _active() if user_id in ids]


def _issue(ids: Sequence[uuid.UUID], period: str, doubt: str = "") -> int:
    """Write an invoice for each of these users. Returns their number."""
    return len(Invoice.objects.bulk_create([Invoice(user_id=one, period=period, staleness=doubt) for one in ids]))
