"""One durable queue per context, and the way to it.

The exchange is the empty one, the broker's own direct exchange: a message reaches exactly the queue it names, so a redelivery or
a retry never reaches another consumer. And its routes can't be lost, because there are none to store: kombu keeps a named
exchange's bindings in Redis, where a flush takes them away and messages fall into the void.
"""

from celery import Celery
from kombu import Exchange, Queue

#: The Celery task that hands a message to the inbox.
DELIVER = "messaging.deliver"


def queue(name: str) -> Queue:
    """The queue of a context."""
    return Queue(name, exchange=Exchange("", type="direct"), routing_key=name, durable=True)


def depth(app: Celery, name: str) -> int | None:
    """Messages that wait in a queue; None where the broker doesn't answer. Messages in a worker's hands aren't counted."""
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=0, timeout=1)
            channel = connection.default_channel
            return int(queue(name).bind(channel).queue_declare(passive=False).message_count)
    except (*app.connection_for_read().connection_errors, *app.connection_for_read().channel_errors, OSError):
        return None
