"""Asks the users context about each user before billing them."""

import uuid
from collections.abc import Sequence
from enum import Enum

from messaging.replica import AuthorityClient

CONTEXT, AUTHORITY = "billing", "users"


class Decision(Enum):
    BILL = "bill"
    #: Don't bill them: they are suspended or unknown.
    SKIP = "skip"
    #: Decide later: nobody knows now.
    HOLD = "hold"


def decide(user_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Decision]:
    """Decide about each of these users."""
    decisions: dict[uuid.UUID, Decision] = {}
    client = AuthorityClient(AUTHORITY, CONTEXT)
    try:
        for user_id in user_ids:
            record = client.record(str(user_id))
            active = record is not None and record["data"]["status"] == "active"
            decisions[user_id] = Decision.BILL if active else Decision.SKIP
    finally:
        client.close()
    return decisions
