"""Sends messages to the broker, one at a time, and waits for the broker's confirmation."""

from datetime import datetime
from typing import Any

from celery import Celery
from kombu import Producer
from kombu.exceptions import OperationalError as BrokerError

from messaging.errors import OtherType, Unroutable
from messaging.events.text import plural
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT, other_type, queue

#: With so many messages in a queue, no heartbeats are sent to it: its worker is behind or down, and only the newest would matter.
MOST_WAITING_MESSAGES = 100


class Signer(Producer):  # type: ignore[misc]  # kombu has no types
    """A producer that signs messages. kombu has the body's bytes and the headers together only here."""

    publisher = ""

    def _prepare(  # type: ignore[override]  # kombu always passes all of them
        self, body: Any, serializer: Any, content_type: Any, content_encoding: Any, compression: Any, headers: Any
    ) -> Any:
        prepared = super()._prepare(body, serializer, content_type, content_encoding, compression, headers)  # type: ignore[no-untyped-call]
        raw = prepared[0].encode() if isinstance(prepared[0], str) else prepared[0]
        headers.update(signing.signed(self.publisher, headers["task"], raw))
        return prepared


class Sender:
    """Sends a publisher's signed Celery messages. Each call returns after the broker's confirmation.

    Raises `NoBroker` if `MESSAGING` has no broker's URL.
    """

    def __init__(self, app: Celery, publisher: str) -> None:
        self.app, self.publisher = app, publisher
        self._connection: Any = None
        self._producer: Any = None
        self._returned: list[str] = []
        probe = app.connection_for_write()
        #: The errors that an unreachable broker may raise.
        self.errors: tuple[type[BaseException], ...] = (
            BrokerError,
            OSError,
            OtherType,
            *probe.connection_errors,
            *probe.channel_errors,
        )

    def connect(self) -> None:
        """Connect if not connected. Raises one of `errors` if the broker doesn't answer."""
        if self._producer is None:
            self._connection = self.app.connection_for_write()
            self._connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            # Only AMQP returns unroutable messages; kombu's other transports push to the queue itself.
            amqp = hasattr(self._connection.default_channel, "events")
            on_return = self._on_return if amqp else None
            self._producer = Signer(  # type: ignore[no-untyped-call]
                self._connection, auto_declare=False, on_return=on_return
            )
            self._producer.publisher = self.publisher

    def send(self, queue_name: str, consumer: str, events: list[dict[str, Any]]) -> None:
        """Send one message with many events to one consumer. Declares the queue, in case its worker never started."""
        self._send(queue_name, DELIVER, {"consumer": consumer, "events": events}, plural(len(events), "event"))

    def heartbeat(self, queue_name: str, consumer: str, head: int, at: datetime, mark: str = "") -> None:
        """Send the publisher's head, the time of its clock and its round's mark; nothing if too many messages wait in the queue."""
        if self._declared(queue_name).message_count < MOST_WAITING_MESSAGES:
            values = {"consumer": consumer, "authority": self.publisher, "head": head, "at": at.isoformat()}
            values |= {"mark": mark} if mark else {}
            self._send(queue_name, HEARTBEAT, values, "a heartbeat")

    def declare(self, queue_name: str) -> None:
        """Create the queue if it doesn't exist."""
        self._declared(queue_name)

    def _declared(self, queue_name: str) -> Any:
        self.connect()
        try:
            return queue(queue_name).bind(self._connection.default_channel).queue_declare()
        except self.errors as error:
            raise other_type(error, queue_name) or error from None

    def _send(self, queue_name: str, task: str, kwargs: dict[str, Any], shown: str) -> None:
        self.connect()
        self._returned.clear()
        try:
            self.app.send_task(
                task,
                kwargs=kwargs,
                queue=queue(queue_name),
                producer=self._producer,
                retry=False,  # the relay retries itself, and knows which rows it has marked
                mandatory=True,
                # Otherwise Celery puts the arguments into the headers; ours are long, and may be personal data.
                argsrepr="()",
                kwargsrepr=shown,
            )
        except self.errors as error:
            raise other_type(error, queue_name) or error from None
        if self._returned:
            # The queue was deleted. A new connection declares it again.
            raise Unroutable(f"The broker has no queue {self._returned[0]}: it returned the message.")

    def close(self) -> None:
        """Close the connection. Raises nothing, even if the connection is broken."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            connection.collect(socket_timeout=1)

    def _on_return(self, exception: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._returned.append(routing_key)
