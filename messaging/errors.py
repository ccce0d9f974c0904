"""The errors of `messaging`, each with who raises it. What an HTTP answer or a command's exit code is made of stands with those
(`http.errors`, `http.parsing`, `management.base`)."""

from kombu.exceptions import OperationalError as BrokerError


class MessagingError(Exception):
    """Base of them all. `tasks.deliver` raises it for a message to a context that this process is not."""


# Recording events, and sending them again.


class OutsideTransaction(MessagingError):
    """An event was to be recorded outside a transaction, so it could be lost, or announce a change that never was. Raised by
    `outbox.record_many`."""


class NothingToAnnounce(MessagingError):
    """An event names an aggregate that the ledger doesn't know: its row was never written, or its model isn't tracked. Raised by
    `ledger.announce`."""


class NoFeed(MessagingError):
    """The context declares no feed, so nothing says how the state of its aggregates becomes an event. Raised by `republish`."""


# The broker.


class BrokerAway(MessagingError):
    """The broker doesn't answer, so nothing was begun. Raised by `replay`, which has sent nothing then, and by `bootstrap`, which
    can't make the queue in which live events would wait."""


class OtherType(MessagingError):
    """A queue is there already, and of another type than this project declares. Made by `queues.other_type`, raised by senders."""


class Unroutable(BrokerError):
    """The broker took the message and had no queue to put it in. Raised by `transport.sender.Sender`, as an error of the broker."""


# The authority's register.


class InvalidConsumer(MessagingError):
    """What was to be registered can't be: a name, a type, a field, an address or a bound is off. Raised by
    `publisher.consumers`."""


class NotRegistered(MessagingError):
    """The authority's register has no such consumer. Raised by `entries.change`, and so by `tokens` and `grants`."""


class TokenRejected(MessagingError):
    """A token that opens nothing. `reason`: "unknown_token" (never issued, replaced or revoked) or "expired_token". Raised by
    `tokens.by_token`."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


# Receiving messages.


class MessageRejected(MessagingError):
    """A message that nobody vouches for. Its text begins with the reason: "unsigned", "bad signature" … Raised by `signing`."""


class InvalidEnvelope(MessagingError):
    """What arrived is not an event that this consumer can read. Trying again can't help. Raised by `consumer.incoming`,
    `handlers` and `retries`."""


class UnknownHandler(MessagingError):
    """No handler is listed for an event type. Raised by `handlers.handler_for`."""


class DatabaseAway(MessagingError):
    """The consumer's database doesn't answer, or takes nothing, so nothing could be kept: the message has to stay in the queue.
    Raised by `inbox.receive`."""


class Paused(MessagingError):
    """The consumer's queue is held, so that a bootstrap converges without new events: the message has to stay in it. Raised by
    `checkpoints.advance`."""


# Asking an authority's API.


class Unreachable(MessagingError):
    """The authority doesn't answer, or answers with an error of its own. Its own state; never "in sync". Raised by `client`, and
    for answers that can't be read by `changes` and `replica.drift`."""


class NotNow(Unreachable):
    """The authority is there, says that it can't answer now, and why (503). Raised by `client`."""


class AnswerTooLarge(Unreachable):
    """The answer is larger than this consumer reads. Where it was of many rows, fewer may fit. Raised by `client`."""


class BodyTooLarge(MessagingError):
    """An answer is larger than it may be: its text says how. Raised by `answers`; `client` makes an `AnswerTooLarge` of it."""

    def __init__(self, largest: int) -> None:
        super().__init__(f"more than {largest // 1024**2} MiB" if largest >= 1024**2 else f"more than {largest // 1024} KiB")


class TooManyParts(BodyTooLarge):
    """It is of more lists, objects or values than it may be. Raised by `answers`."""

    def __init__(self) -> None:
        MessagingError.__init__(self, "more lists, objects or values than this consumer reads")


class Denied(MessagingError):
    """The authority refuses: `reason` is for programs, the message for people. Raised by `client` and `replica.drift`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BelowFloor(MessagingError):
    """What was asked for can't be told any more: tombstones were purged. Bootstrap. Raised by `client`."""


# Copies.


class NoCache(MessagingError):
    """The consumer keeps no copy of that authority's facts. Raised by `replica.Replica.of`."""


class AlreadyRunning(MessagingError):
    """A bootstrap of this consumer from this authority is under way. Raised by `bootstrap`."""


class Unhashable(TypeError):
    """A field of a kind that isn't kept the same way everywhere. Raised by `database.row_hash`."""


# Who owns rows, and moving them.


class NotTheOwner(MessagingError):
    """A write that the guard refused. The message says where to write. Base of the next two."""


class Moving(NotTheOwner):
    """The rows are just being handed over: try again in a moment. Raised by `ownership.writing`."""


class MovedAway(NotTheOwner):
    """Another context owns the rows: write there. Raised by `ownership.writing`."""


class NotFollowing(MessagingError):
    """This context owns the rows, so nobody else's change is copied over them. Raised by `ownership.writing_as_follower`."""


class NotYet(MessagingError):
    """A row refers to one that hasn't come by its own feed yet. The next try may find it. Raised by a context's `Follower`."""


class InTheWay(MessagingError):
    """A row that began here holds what must be unique and the owner's row has, too. A person decides which one it is. Raised by
    `ownership.follower`."""


class NoSplit(MessagingError):
    """Nothing is declared to move into this context, or one of the two contexts isn't in this process. Raised by
    `split.declaration`."""


class NotReady(MessagingError):
    """A step was asked for whose turn it isn't. The message says what comes first. Raised by `split.move`."""


class PauseTooShort(MessagingError):
    """The pause was over before both sides were equal. The owner is who it was, and its writers went on. Raised by `split.flip`."""


class Differs(MessagingError):
    """The two sides don't hold the same. The owner is who it was. Raised by `split.move` and `split.flip`."""


# Programs.


class Held(MessagingError):
    """Somebody else holds the lock. Raised by `database.locks`."""


class DatabaseUnreadable(MessagingError):
    """A context's database doesn't answer, or lacks its tables. Raised by `status.reading`."""
