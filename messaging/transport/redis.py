# kombu and redis have no types that fit.
# mypy: disable-error-code="no-untyped-call,misc,assignment,no-any-return,type-arg"
"""kombu's Redis transport, changed so that it loses no message, opens no unsafe one, and never stops for good.

kombu takes a message with BRPOP and then records it as unacknowledged. A worker that is killed in between loses the message; the
kill test in tests/delivery has shown it. Here one step moves the message to a "fetching" list, and the next one records it and
removes it from that list. A message that stays there longer than the visibility timeout returns to the queue. The inbox ignores a
message that comes twice.

Each step is a script that begins with a removal. At its `maxmemory` Redis refuses commands that may need memory, including MULTI.
In a script it checks only before the first write (`scriptVerifyOOM` in its source), and removals are allowed. So workers can still
empty a full broker.

Only messaging's own Celery app uses it, for the queues of contexts. They have no priorities, and no list of kombu's for each.
"""

import binascii
import logging
import uuid
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, time
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from messaging import failpoints
from messaging.transport import frames

log = logging.getLogger(__name__)

#: Moves an item from the first non-empty queue to that queue's fetching list. Arguments: the largest size in bytes, and how many
#: bytes to keep of a larger item.
TAKE = """
for number = 1, #KEYS, 2 do
    local item = redis.call('rpop', KEYS[number])
    if item then
        local size = #item
        if size > tonumber(ARGV[1]) then item = string.sub(item, 1, tonumber(ARGV[2])) end
        redis.call('lpush', KEYS[number + 1], item)
        return {KEYS[number], item, size}
    end
end
"""
#: Moves an item from the fetching list to the unacknowledged messages.
NOTE = """
redis.call('lrem', KEYS[1], 1, ARGV[1])
redis.call('zadd', KEYS[2], ARGV[2], ARGV[3])
redis.call('hset', KEYS[3], ARGV[3], ARGV[4])
"""
ACKNOWLEDGE = "redis.call('zrem', KEYS[1], ARGV[1]) redis.call('hdel', KEYS[2], ARGV[1])"
#: Return an unacknowledged (RESTORE) or fetched (GIVE_BACK) message to its queue, unless another process just did. One step, so
#: that no crash comes in between.
RESTORE = """
redis.call('zrem', KEYS[1], ARGV[1])
if redis.call('hdel', KEYS[2], ARGV[1]) == 1 then redis.call(ARGV[2], KEYS[3], ARGV[3]) end
"""
GIVE_BACK = "if redis.call('lrem', KEYS[1], 1, ARGV[1]) == 1 then redis.call('rpush', KEYS[2], ARGV[1]) end"

#: A key that is never written. A blocking read of it waits even on a server that takes no writes.
REST = "contexts.rest"
#: Milliseconds of such a wait: between looks at several queues, and while the broker is full or refuses.
BETWEEN_MILLISECONDS, LONGER_MILLISECONDS = 100, 500
#: An empty answer that comes sooner than after so many seconds didn't wait: Redis is full.
SOON_SECONDS = 0.1
#: Lists, objects and entries of a frame. Ours have a few dozen. A list takes a hundred times more memory than its JSON.
MOST_PARTS = 10_000


def _fetching(queue: str) -> str:
    return f"{queue}.fetching"


def _payload(item: bytes, size: int, queue: str) -> dict[str, Any]:
    """The payload that kombu makes a message of. Only body, headers and correlation id come from the sender, and only if they are
    in a relay's form.

    Any other item becomes a message with a reason in `refused`, which `ParkingConsumer` parks. kombu would raise instead, which
    ends one worker after another; or it would trust the sender's routing key and encoding.
    """
    found, refused = _read(item, size)
    kept = {} if refused else found
    payload = {
        "body": found["body"] if "refused" in found else item[: frames.KEPT_BYTES].decode("utf-8", "backslashreplace"),
        "content-type": frames.CONTENT_TYPE,
        "content-encoding": frames.CONTENT_ENCODING,
        "headers": {},
        **{name: kept[name] for name in ("body", "headers") if name in kept},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "body_encoding": None if refused else "base64",
            "priority": 0,
        },
    }
    if not refused and isinstance(found["properties"].get("correlation_id"), str):
        payload["properties"]["correlation_id"] = found["properties"]["correlation_id"]
    return {**payload, "refused": refused} if refused else payload


def _read(item: bytes, size: int) -> tuple[dict[str, Any], str]:
    """Parse a frame. Returns it with the reason not to open it, which is empty for a valid frame."""
    if size > frames.LARGEST_FRAME_BYTES:
        return {}, frames.frame_too_large(size)
    if item.count(b"[") + item.count(b"{") + item.count(b",") > MOST_PARTS:
        return {}, "Not opened: its frame has too many lists, objects or entries."
    try:
        found = loads(bytes_to_str(item))
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}, "Not opened: it isn't a frame of kombu's."
    if not isinstance(found, dict):
        return {}, "Not opened: it isn't a frame of kombu's."
    if isinstance(found.get("refused"), str) and isinstance(found.get("body"), str):
        return found, found["refused"]  # it couldn't be parked before, and comes again
    properties = found.get("properties")
    if not isinstance(properties, dict):
        return {}, "Not opened: it isn't a frame of kombu's."
    if properties.get("body_encoding") != "base64":
        return {}, "Not opened: its body isn't in base64."
    reason = frames.objection(found.get("content-type"), found.get("content-encoding"), found.get("headers"))
    if reason:
        return {}, reason
    try:
        b64decode(found["body"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return {}, "Not opened: its body isn't in base64."
    return found, ""


class Message(virtual.Message):
    """A message with the reason, if any, why it must not be opened."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        self.refused: str = payload.get("refused", "")
        self.queue: str = payload.get("queue", "")
        super().__init__(payload, channel=channel, **kwargs)


class QoS(redis.QoS):
    """Stops counting a message as fetched when its acknowledgement fails.

    If the broker is lost before the acknowledgement, Celery logs that and continues, but kombu still counts the message. With a
    prefetch limit of one it then fetches nothing, and never notices that its connection is dead. Here it fetches again, and
    reconnects. If the broker still has the message, it is delivered again.
    """

    def append(self, message: Any, delivery_tag: Any) -> None:
        if self.channel.fetched is None:
            return super().append(message, delivery_tag)
        queue, item = self.channel.fetched
        noted = dumps([message._raw, "", queue])
        with self.channel.conn_or_acquire() as client:
            keys = _fetching(queue), self.unacked_index_key, self.unacked_key
            client.eval(NOTE, len(keys), *keys, item, time(), delivery_tag, noted)
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: Any) -> None:
        with self._letting_go(delivery_tag), self.channel.conn_or_acquire() as client:
            client.eval(ACKNOWLEDGE, 2, self.unacked_index_key, self.unacked_key, delivery_tag)
        virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if not requeue:
            return self.ack(delivery_tag)
        with self._letting_go(delivery_tag):
            self.restore_by_tag(delivery_tag, leftmost=True)
        virtual.QoS.ack(self, delivery_tag)

    @contextmanager
    def _letting_go(self, delivery_tag: Any) -> Iterator[None]:
        try:
            with _refusals_as_outage():
                yield
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        with self.channel.conn_or_acquire(client) as connected:
            noted = connected.hget(self.unacked_key, tag)
            if _has_exchange(noted):
                return super().restore_by_tag(tag, connected, leftmost)
            item, queue = _noted(noted, self.channel.active_queues)
            keys = self.unacked_index_key, self.unacked_key, queue
            connected.eval(RESTORE, len(keys), *keys, tag, "lpush" if leftmost else "rpush", item)

    def restore_visible(self, start: int = 0, num: int | None = 10, interval: int = 10) -> None:
        """Return messages to their queues that workers fetched and never acknowledged. If the server refuses, try later."""
        try:
            with self.channel.conn_or_acquire() as client:
                overdue = time() - self.visibility_timeout
                for tag in client.zrange(self.unacked_index_key, 0, overdue, byscore=True, offset=start, num=num or -1):
                    self.restore_by_tag(tag, client)
            self.channel.give_back_stale()
        except ResponseError as error:
            self.channel.say(error)


def _noted(noted: bytes | None, queues: Any) -> tuple[Any, str]:
    """The message to return, and its queue. Only workers write these records; anything else is parked."""
    try:
        payload, _, queue = loads(bytes_to_str(noted or b"null"))
        payload["headers"]["redelivered"] = payload["properties"]["delivery_info"]["redelivered"] = True
        return dumps(payload), str(queue)
    except (ValueError, TypeError, KeyError, RecursionError):
        return noted or b"", next(iter(queues), "")


def _has_exchange(noted: bytes | None) -> bool:
    """Return True if kombu recorded the message itself, which then returns by its exchange. Workers of the last release took
    queues of a host too."""
    try:
        return bool(loads(bytes_to_str(noted or b"null"))[1])
    except (ValueError, TypeError, LookupError, RecursionError):
        return False


@contextmanager
def _refusals_as_outage() -> Iterator[None]:
    """Raise refusals as connection errors, which Celery handles: a demoted server, or one that can't write to its disk."""
    try:
        yield
    except ResponseError as error:
        raise RedisConnectionError(str(error)) from error


class Channel(redis.Channel):
    QoS = QoS
    Message = Message

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._resting = False
        self._said = ""
        #: The queue and the item that is being made a message.
        self.fetched: tuple[str, bytes] | None = None
        self._seen: dict[tuple[str, bytes], float] = {}
        super().__init__(*args, **kwargs)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        connection = self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        wait: tuple[Any, ...] = ("BLMOVE", queues[0], queues[0], "RIGHT", "RIGHT", timeout or self.brpop_timeout or 0)
        if self._resting or len(queues) > 1:
            wait = ("XREAD", "BLOCK", LONGER_MILLISECONDS if self._resting else BETWEEN_MILLISECONDS, "STREAMS", REST, "$")
        keys = [key for queue in queues for key in (queue, _fetching(queue))]
        take = "EVAL", TAKE, len(keys), *keys, frames.LARGEST_FRAME_BYTES, frames.KEPT_BYTES
        # BLMOVE of an item to its own place waits for one. Its answer would be the item, of any size, so it is skipped. A full
        # server refuses BLMOVE at once; that answer is skipped too, and the script still takes the item.
        connection.send_packed_command(connection.pack_commands([("CLIENT", "REPLY", "SKIP"), wait, take]))

    def _brpop_read(self, **options: Any) -> bool:
        try:
            taken = self._answer(**options)
            if not taken:
                self._resting = monotonic() - (self._brpop_sent_at or 0.0) < SOON_SECONDS
                raise redis.Empty()
            self._resting = False
            queue, item, size = bytes_to_str(taken[0]), taken[1], int(taken[2])
            failpoints.reach("redis.fetched")
            self._queue_cycle.rotate(queue)
            self.fetched = queue, item
            self.connection._deliver(_payload(item, size, queue), queue)  # records it as unacknowledged
            return True
        except ResponseError as error:
            self.say(error)
            self.client.connection.disconnect()  # another server may be the primary by now
            self._resting = True
            raise redis.Empty() from error
        finally:
            self._in_poll, self.fetched = None, None
            self._flush_brpop_reauth()

    def _answer(self, **options: Any) -> Any:
        try:
            answer = self.client.parse_response(self.client.connection, "EVAL", **options)
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        if self._said:
            log.info("the broker accepts commands again")
            self._said = ""
        return answer

    def say(self, error: ResponseError) -> None:
        """Log why the broker refuses, once until it accepts again."""
        if not self._said:
            log.warning("the broker refuses commands, retrying until it accepts them: %s", error)
        self._said = str(error)

    def give_back_stale(self) -> None:
        """Return messages to their queues that killed workers fetched and never recorded."""
        now, present = monotonic(), {}
        with self.conn_or_acquire() as client:
            for queue in self.active_queues:
                for item in client.lrange(_fetching(queue), 0, -1):
                    present[queue, item] = self._seen.get((queue, item), now)
                    if now - present[queue, item] >= self.visibility_timeout:
                        client.eval(GIVE_BACK, 2, _fetching(queue), queue, item)
        self._seen = present


class Transport(redis.Transport):
    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        """Add the queue that the message was in; the sender's routing key may be anything."""
        super()._deliver({**message, "queue": queue}, queue)


class SentinelChannel(Channel, redis.SentinelChannel):
    pass


class SentinelTransport(Transport):
    default_port = redis.SentinelTransport.default_port
    Channel = SentinelChannel
