"""The way to the broker: one connection, one message at a time, back only when the broker has it."""

from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError

from messaging.queues import DELIVER, queue


class Unroutable(BrokerError):
    """The broker took the message and had no queue to put it in."""


class Sender:
    """Sends Celery messages and returns after the broker's confirmation."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self._connection: Any = None
        self._producer: Any = None
        self._returned: list[str] = []
        probe = app.connection_for_write()
        #: What may be raised while the broker is away.
        self.errors: tuple[type[BaseException], ...] = (
            BrokerError,
            OSError,
            *probe.connection_errors,
            *probe.channel_errors,
        )

    def connect(self) -> None:
        """Connect where we aren't. Raises one of `errors` where the broker doesn't answer."""
        if self._producer is None:
            self._connection = self.app.connection_for_write()
            self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            # Only AMQP hands back what it can't route; kombu's other transports push to the queue itself.
            amqp = hasattr(self._connection.default_channel, "events")
            on_return = self._on_return if amqp else None
            self._producer = self.app.amqp.Producer(self._connection, auto_declare=False, on_return=on_return)

    def send(self, queue_name: str, consumer: str, events: list[dict[str, Any]]) -> None:
        """One message with many events for one consumer. The queue is declared with it, so it is there whoever starts first."""
        self.connect()
        self._returned.clear()
        self.app.send_task(
            DELIVER,
            kwargs={"consumer": consumer, "events": events},
            queue=queue(queue_name),
            producer=self._producer,
            retry=False,  # the relay tries again itself: it knows what is marked and what isn't
            mandatory=True,
            # Celery would put a print of the arguments into the headers; ours are long, and personal.
            argsrepr="()",
            kwargsrepr=f"{len(events)} events",
        )
        if self._returned:
            # Somebody deleted the queue. With a new connection it is declared anew.
            raise Unroutable(f"No queue took the message: {self._returned[0]}")

    def close(self) -> None:
        """Forget the connection. Never raises: it may be broken already."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.collect(socket_timeout=1)

    def _on_return(self, exception: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._returned.append(routing_key)
