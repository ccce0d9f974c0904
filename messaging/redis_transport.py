# kombu has no types.
# mypy: disable-error-code="no-untyped-call,misc,assignment,no-any-return"
"""kombu's Redis transport, without the moment in which it loses a message.

kombu takes a message with BRPOP and notes it as unacknowledged afterwards; a worker that is killed in between takes the message
with it, and the kill test in tests/delivery saw it happen. So here the message moves to a list of its own with BLMOVE, in one
step, and leaves that list when it is noted. What stays there longer than the visibility timeout goes back to the queue; a
message that comes twice is nothing to the inbox.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from messaging import steps

#: Put a message back unless somebody else just did: one step, so that a crash can't come between.
GIVE_BACK = "if redis.call('lrem', KEYS[1], 1, ARGV[1]) == 1 then redis.call('rpush', KEYS[2], ARGV[1]) end"


def _fetching(queue: str) -> str:
    return f"{queue}.fetching"


def _message(item: bytes, queue: str) -> dict[str, Any]:
    """What kombu put into the list; anything else as a message that can't be read, which `worker.ParkingConsumer` parks. kombu
    would raise, which ends the worker, and the item would meet the next one."""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        found = loads(bytes_to_str(item))
        if isinstance(found["properties"]["delivery_info"], dict) and "delivery_tag" in found["properties"]:
            return dict(found)
    return {
        "body": item.decode("utf-8", "backslashreplace"),
        "content-type": "application/octet-stream",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": queue},
            "body_encoding": None,
        },
    }


class QoS(redis.QoS):
    """Where the broker goes between work and acknowledgement, Celery logs it and goes on. But kombu still counts the message as in
    hand; and where one may be in hand it never asks for another, so it never notices that its connection is dead. Not counted any
    more, it asks, and connects anew. Where the broker still has the message, it comes again."""

    def ack(self, delivery_tag: Any) -> None:
        with self._letting_go(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        with self._letting_go(delivery_tag):
            super().reject(delivery_tag, requeue=requeue)

    @contextmanager
    def _letting_go(self, delivery_tag: Any) -> Iterator[None]:
        try:
            yield
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        super().restore_visible(*args, **kwargs)
        self.channel.give_back_stale()


class Channel(redis.Channel):
    QoS = QoS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._moving: str | None = None
        self._seen: dict[tuple[str, bytes], float] = {}
        super().__init__(*args, **kwargs)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if len(queues) != 1 or self.global_keyprefix:
            # BLMOVE waits for one list. Our workers have one queue each; anything else gets kombu's own way.
            self._moving = None
            super()._brpop_start(**({} if timeout is None else {"timeout": timeout}))
            return
        self._moving = queues[0]
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        wait = self.brpop_timeout if timeout is None else timeout
        self.client.connection.send_command("BLMOVE", self._moving, _fetching(self._moving), "RIGHT", "LEFT", wait or 0)

    def _brpop_read(self, **options: Any) -> bool:
        queue, self._moving = self._moving, None
        if queue is None:
            return bool(super()._brpop_read(**options))
        try:
            try:
                item = self.client.parse_response(self.client.connection, "BLMOVE", **options)
            except self.connection_errors:
                self.client.connection.disconnect()
                raise
            if not item:
                raise redis.Empty()
            steps.reach("redis.fetched")
            self.connection._deliver(_message(item, queue), queue)  # notes it as unacknowledged
            with self.conn_or_acquire() as client:
                client.lrem(_fetching(queue), 1, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def give_back_stale(self) -> None:
        """Return to its queue what a killed worker fetched and never noted."""
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
