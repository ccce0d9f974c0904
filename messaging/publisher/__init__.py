"""Record events together with the change, send them, and serve the feed from which consumers catch up."""

from messaging.events.contract import DomainEvent, Moment, schemas
from messaging.ledger.ledger import baseline, positions, track
from messaging.publisher.feed import CHANGED_AT, Feed
from messaging.publisher.outbox import Record, erase_personal_data, record, record_many

__all__ = [
    "CHANGED_AT",
    "DomainEvent",
    "Feed",
    "Moment",
    "Record",
    "baseline",
    "erase_personal_data",
    "positions",
    "record",
    "record_many",
    "schemas",
    "track",
]
