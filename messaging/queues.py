"""One durable queue per context, and the way to it.

The exchange is the empty one, the broker's own direct exchange: a message reaches exactly the queue it names, so a redelivery or
a retry never reaches another consumer. And its routes can't be lost, because there are none to store: kombu keeps a named
exchange's bindings in Redis, where a flush takes them away and messages fall into the void.
"""

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerError

#: The Celery task that hands a message to the inbox.
DELIVER = "messaging.deliver"
#: The Celery task that notes an authority's sign of life.
HEARTBEAT = "messaging.heartbeat"


def queue(name: str) -> Queue:
    """The queue of a context."""
    return Queue(name, exchange=Exchange("", type="direct"), routing_key=name, durable=True)


def depth(app: Celery, name: str) -> int | None:
    """Messages that wait in a queue; None where the broker doesn't answer. Messages in a worker's hands aren't counted."""
    connection = app.connection_for_read()
    away = (BrokerError, OSError, *connection.connection_errors, *connection.channel_errors)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
            return int(queue(name).bind(connection.default_channel).queue_declare().message_count)
    except away:
        return None
