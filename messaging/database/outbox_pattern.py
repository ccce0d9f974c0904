"""Values for rows of django-outbox-pattern's tables: our states, and an expiry far in the future.

A host may use django-outbox-pattern itself, and its rows are in the same tables. Its relay takes every row with the package's state
"scheduled". So our rows have states that the package doesn't know.
"""

from datetime import UTC, datetime

from django_outbox_pattern.choices import StatusChoice

#: By default django-outbox-pattern expires a row after a day, and then skips it silently. Our events never expire.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: `Published.status` of our rows: not sent yet, sent, and can't be sent.
WAITING, SENT, FAILED = STATES = 101, 102, 103
#: Maps the package's states to ours. Programs of release 0.1 write the package's states (`publisher.outbox.adopt`).
FORMER = {StatusChoice.SCHEDULE.value: WAITING, StatusChoice.SUCCEEDED.value: SENT, StatusChoice.FAILED.value: FAILED}
#: `Received.status`: the inbox's row is written together with the event's effects. The package never selects by it. Our rows are
#: told apart by `msg_id`, which begins with the consumer's name.
RECEIVED = StatusChoice.SUCCEEDED.value


def may_be_former(never: str) -> str:
    """The SQL condition that a program of release 0.1 may have written the row: the package's state, and no expiry. An index has
    it, so it has only what SQLite can prove. `never`: `NEVER` in the database's SQL."""
    return f"status IN ({', '.join(map(str, sorted(FORMER)))}) AND expires_at = {never}"


def is_envelope(context: str, same_id: str) -> str:
    """The SQL condition that the body is our envelope of just this row. The arguments are SQL: the destination's first word, and
    the condition that the body has the row's id."""
    return (
        f"{same_id} AND body ->> 'specversion' = '1.0' AND body ->> 'type' = destination AND body ->> 'source' = {context} "
        "AND body ->> 'aggregateversion' IS NOT NULL"
    )
