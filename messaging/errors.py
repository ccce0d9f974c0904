"""The errors of `messaging`, and what raises each of them. `authority.refusals` turns some into an API's
answers, `management.base` into exit codes."""

from django.core.exceptions import ImproperlyConfigured
from kombu.exceptions import OperationalError as BrokerError


class MessagingError(Exception):
    """Base of all errors here. `tasks.deliver` raises it for a message to a context that this process doesn't run."""


class MissingExtra(MessagingError, ImproperlyConfigured):
    """A part is used whose packages aren't installed. The message says which ones, and how to install them. Raised by
    `extras.require`."""


# Recording events, replay, republish.


class OutsideTransaction(MessagingError):
    """An event can't be recorded outside a transaction: it could be lost, or announce a change that was rolled back. Raised by
    `outbox.record_many`."""


class NothingToAnnounce(MessagingError):
    """The ledger has no entry for an event's aggregate: the row wasn't written, or its model isn't tracked. Raised by
    `ledger.announce`."""


class NoFeed(MessagingError):
    """The context declares no feed, so its aggregates' state can't be turned into events. Raised by `republish`."""


# The ledger.


class BeingEntered(MessagingError):
    """A tracked model has rows that aren't in the ledger yet, so its feed would lack them. The message says how many there are, and
    the command that enters them. Raised by `ledger.entering`."""


class TableBusy(MessagingError):
    """Other transactions use a table all the time, so its triggers couldn't be changed. Raised by `database.lock_waits`."""


# The broker.


class BrokerAway(MessagingError):
    """The broker doesn't answer, and nothing was sent. Raised by `replay` and by `bootstrap`."""


class NoBroker(MessagingError):
    """No broker is set, so nothing is sent. Raised by `transport.broker.url`."""


class OtherType(MessagingError):
    """A queue exists with another type than this project declares. Made by `queues.other_type`, raised by senders."""


class Unroutable(BrokerError):
    """The broker accepted the message but had no queue for it. Raised by `transport.broker.url`, as an error of the broker."""


# The authority's register.


class InvalidConsumer(MessagingError):
    """A registration is invalid: its name, a type, a field, an address or the staleness bound. Raised by `publisher.consumers`."""


class NotRegistered(MessagingError):
    """The consumer isn't in the authority's register. Raised by `entries.change`, and so by `tokens` and `grants`."""


class TokenRejected(MessagingError):
    """A token that isn't valid. Raised by `tokens.by_token`."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason  #: "unknown_token" (never issued, replaced or revoked) or "expired_token"


# Receiving messages.


class MessageRejected(MessagingError):
    """A message without a valid signature. Its text begins with the reason: "unsigned", "bad signature" … Raised by `signing`
    and its schemes."""


class InvalidEnvelope(MessagingError):
    """A message that this consumer can't read as an event. Retrying can't help. Raised by `consumer.incoming`, `handlers` and
    `retries`."""


class UnknownHandler(MessagingError):
    """The context lists no handler for an event type. Raised by `handlers.handler_for`."""


class DatabaseAway(MessagingError):
    """The consumer's database is unreachable or takes no writes, so the message must stay in the queue. Raised by
    `inbox.receive`."""


class Paused(MessagingError):
    """The consumer's queue is paused until a bootstrap ends: the message must stay in it. Raised by `checkpoints.advance`."""


# An authority's API.


class Unreachable(MessagingError):
    """The authority doesn't answer, or its answer can't be used. This is a state of its own, never "in sync". Raised by `client`,
    and by `changes` and `replica.drift` for answers that they can't read."""


class NotNow(Unreachable):
    """The authority answers 503: it can't serve the request now, and says why. Raised by `client`."""


class AnswerTooLarge(Unreachable):
    """The answer is larger than this consumer reads. A request for fewer rows may fit. Raised by `client`."""


class BodyTooLarge(MessagingError):
    """An answer has too many bytes. Raised by `answers`; `client` turns it into `AnswerTooLarge`."""

    def __init__(self, largest: int) -> None:
        super().__init__(f"more than {largest // 1024**2} MiB" if largest >= 1024**2 else f"more than {largest // 1024} KiB")


class TooManyParts(BodyTooLarge):
    """An answer has too many lists, objects or values. Raised by `answers`."""

    def __init__(self) -> None:
        MessagingError.__init__(self, "more lists, objects or values than this consumer reads")


class Denied(MessagingError):
    """The authority refuses the request. Raised by `client` and `replica.drift`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  #: for programs; the message is for people


class BelowFloor(MessagingError):
    """The feed can't be read from that position any more, because tombstones were purged. Bootstrap again. Raised by `client`."""


# Copies.


class NoCache(MessagingError):
    """The consumer keeps no copy of that authority's facts. Raised by `replica.Replica.of`."""


class AlreadyRunning(MessagingError):
    """Another bootstrap of this consumer from this authority is running. Raised by `bootstrap`."""


class Unhashable(TypeError):
    """A field's type has no form that is the same on both databases. Raised by `database.row_hash`."""


class UnusableKey(TypeError):
    """A key's type isn't one that ranges of ids can be compared by. Raised by `database.keys`."""


# Ownership and splits.


class NotTheOwner(MessagingError):
    """The guard refused a write. The message says where to write. Base of the next two."""


class Moving(NotTheOwner):
    """The rows are being handed over: try again in a moment. Raised by `ownership.writing`."""


class MovedAway(NotTheOwner):
    """Another context owns the rows: write there. Raised by `ownership.writing`."""


class NotFollowing(MessagingError):
    """This context owns the rows, so another context's changes must not overwrite them. Raised by
    `ownership.writing_as_follower`."""


class NotYet(MessagingError):
    """A row refers to one that hasn't arrived by its own feed yet. The next try may find it. Raised by a context's `Follower`."""


class InTheWay(MessagingError):
    """A row that was created here has the same unique values as one of the owner's rows. A person must decide which one stays.
    Raised by `ownership.follower`."""


class NoSplit(MessagingError):
    """No split into this context is declared, or one of the two contexts isn't in this process. Raised by `split.declaration`."""


class NotReady(MessagingError):
    """The step can't run yet. The message says what comes first. Raised by `split.move`."""


class PauseTooShort(MessagingError):
    """The write pause ended before both sides were equal. The owner stays, and its writers continue. Raised by `split.flip`."""


class Differs(MessagingError):
    """The two sides hold different rows, so the owner stays. Raised by `split.move` and `split.flip`."""


# Leases and databases.


class Held(MessagingError):
    """Another process holds the lease. Raised by `database.locks`."""


class DatabaseUnreadable(MessagingError):
    """A context's database doesn't answer, or lacks its tables. Raised by `status.reading`."""

    def __init__(self, message: str, alias: str) -> None:
        super().__init__(message)
        self.alias = alias  #: the database's name in `DATABASES`
