"""What a relay claims: the oldest waiting events of its context's outbox, which no other relay gets meanwhile.

The statements are in `messaging/database/engines/`, under the same names. On PostgreSQL a relay skips the rows that another one has
locked; on SQLite relays take turns.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from messaging.database import engines
from messaging.ledger import marks
from messaging.publisher import payloads
from messaging.publisher.payloads import Sendable
from messaging.settings import Alias

#: Events with their positions and marks, and the ids of rows that can't be sent, each with the reason.
Claim = tuple[list[Sendable], list[tuple[Any, str]]]


@contextmanager
def claimed(using: Alias, context: str, limit: int) -> Iterator[Claim]:
    """Yield up to `limit` events. They count as sent when the block ends; after an error in it they are claimed again."""
    with engines.for_alias(using).claimed(using, context, limit) as rows:
        yield _sendable(using, rows)


def claim(using: Alias, context: str, limit: int) -> Claim:
    """Return up to `limit` events, which count as sent when the caller's transaction ends."""
    return _sendable(using, engines.for_alias(using).claim(using, context, limit))


def _sendable(using: Alias, rows: Sequence[tuple[Any, str, int | None]]) -> Claim:
    known = marks.rounds(using, (position for _, _, position in rows if position is not None))
    return payloads.partition_sendable(rows, known)
