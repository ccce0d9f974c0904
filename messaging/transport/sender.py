"""The way to the broker: one connection, one message at a time, back only when the broker has it."""

from datetime import datetime
from typing import Any

from celery import Celery
from kombu import Producer
from kombu.exceptions import OperationalError as BrokerError

from messaging.errors import OtherType, Unroutable
from messaging.events.text import plural
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT, other_type, queue

#: Messages in a queue from which on heartbeats stay away: its worker is behind or gone, and only the newest would count.
MOST_WAITING_MESSAGES = 100


class Signer(Producer):  # type: ignore[misc]  # kombu has no types
    """A producer that signs: at the only place where the body's bytes and the headers meet."""

    publisher = ""

    def _prepare(  # type: ignore[override]  # kombu always gives all of them
        self, body: Any, serializer: Any, content_type: Any, content_encoding: Any, compression: Any, headers: Any
    ) -> Any:
        prepared = super()._prepare(body, serializer, content_type, content_encoding, compression, headers)  # type: ignore[no-untyped-call]
        raw = prepared[0].encode() if isinstance(prepared[0], str) else prepared[0]
        headers.update(signing.signed(self.publisher, headers["task"], raw))
        return prepared


class Sender:
    """Sends a publisher's Celery messages, signed, and returns after the broker's confirmation."""

    def __init__(self, app: Celery, publisher: str) -> None:
        self.app, self.publisher = app, publisher
        self._connection: Any = None
        self._producer: Any = None
        self._returned: list[str] = []
        probe = app.connection_for_write()
        #: What may be raised while the broker is away.
        self.errors: tuple[type[BaseException], ...] = (
            BrokerError,
            OSError,
            OtherType,
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
            self._producer = Signer(  # type: ignore[no-untyped-call]
                self._connection, auto_declare=False, on_return=on_return
            )
            self._producer.publisher = self.publisher

    def send(self, queue_name: str, consumer: str, events: list[dict[str, Any]]) -> None:
        """One message with many events for one consumer. The queue is declared with it, so it is there whoever starts first."""
        self._send(queue_name, DELIVER, {"consumer": consumer, "events": events}, plural(len(events), "event"))

    def heartbeat(self, queue_name: str, consumer: str, head: int, at: datetime, mark: str = "") -> None:
        """The publisher's head at a time of its clock, and its round's mark. None is added where nobody takes the older ones."""
        if self._declared(queue_name).message_count < MOST_WAITING_MESSAGES:
            values = {"consumer": consumer, "authority": self.publisher, "head": head, "at": at.isoformat()}
            values |= {"mark": mark} if mark else {}
            self._send(queue_name, HEARTBEAT, values, "a heartbeat")

    def declare(self, queue_name: str) -> None:
        """Make sure that the queue is there."""
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
                retry=False,  # the relay tries again itself: it knows what is marked and what isn't
                mandatory=True,
                # Celery would put a print of the arguments into the headers; ours are long, and personal.
                argsrepr="()",
                kwargsrepr=shown,
            )
        except self.errors as error:
            raise other_type(error, queue_name) or error from None
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
