"""Asks the users context about each user before billing them."""

import uuid
from collections.abc import Sequence
from enum import Enum

from messaging.errors import Unreachable
from messaging.replica import AuthorityClient

CONTEXT, AUTHORITY = "billing", "users"
#: Seconds to wait for an answer, and users in a row without one after which the run stops asking.
PATIENCE, MOST_FAILURES = 0.5, 3


class Decision(Enum):
    BILL = "bill"
    #: Don't bill them: they are suspended or unknown.
    SKIP = "skip"
    #: Decide later: nobody knows now.
    HOLD = "hold"


def decide(user_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Decision]:
    """Decide about each of these users."""
    decisions: dict[uuid.UUID, Decision] = {}
    failures = 0
    client = AuthorityClient(AUTHORITY, CONTEXT, patience=PATIENCE)
    try:
        for user_id in user_ids:
            if failures >= MOST_FAILURES:
                decisions[user_id] = Decision.HOLD
                continue
            try:
                record = client.record(str(user_id))
            except Unreachable:
                failures += 1
                decisions[user_id] = Decision.HOLD
                continue
            failures = 0
            active = record is not None and record["data"]["status"] == "active"
            decisions[user_id] = Decision.BILL if active else Decision.SKIP
    finally:
        client.close()
    return decisions
