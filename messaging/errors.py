"""The errors that callers of `messaging` may meet."""


class MessagingError(Exception):
    """Base of them all."""


class OutsideTransaction(MessagingError):
    """An event was to be recorded outside a transaction, so it could be lost, or announce a change that never was."""


class NothingToAnnounce(MessagingError):
    """An event names an aggregate that the ledger doesn't know: its row was never written, or its model isn't tracked."""


class InvalidEnvelope(MessagingError):
    """What arrived is not an event that this consumer can read. Trying again can't help."""


class DatabaseAway(MessagingError):
    """The consumer's database doesn't answer, or takes nothing, so nothing could be kept: the message has to stay in the queue."""


class UnknownHandler(MessagingError):
    """No handler is listed for an event type."""
