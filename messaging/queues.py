"""One durable queue per context, and the way to it.

The exchange is the empty one, the broker's own direct exchange: a message reaches exactly the queue it names, so a redelivery or
a retry never reaches another consumer. And its routes can't be lost, because there are none to store: kombu keeps a named
exchange's bindings in Redis, where a flush takes them away and messages fall into the void.
"""

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerError

from messaging import conf

#: The Celery task that hands a message to the inbox.
DELIVER = "messaging.deliver"
#: The Celery task that notes an authority's sign of life.
HEARTBEAT = "messaging.heartbeat"
#: AMQP's reply code for it, a number or a text by the transport.
NO_SUCH_QUEUE = "404"


def queue(name: str) -> Queue:
    """The queue of a context."""
    return Queue(name, exchange=Exchange("", type="direct"), routing_key=name, durable=True)


def here(app: Celery) -> list[str]:
    """The contexts of this process that have a queue: those of `CELERY_TASK_QUEUES`. A context that is only read from has none."""
    known = {entry.name for entry in app.conf.task_queues or ()}
    return [name for name in conf.contexts() if name in known]


def depth(app: Celery, name: str) -> int | None:
    """Messages that wait in a queue; None where the broker doesn't answer. Messages in a worker's hands aren't counted.

    Who looks makes nothing: a queue that isn't there holds no messages, and isn't there afterwards either.
    """
    connection = app.connection_for_read()
    away = (BrokerError, OSError, *connection.connection_errors, *connection.channel_errors)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
            return int(queue(name).bind(connection.default_channel).queue_declare(passive=True).message_count)
    except away as error:
        return 0 if str(getattr(error, "reply_code", "")) == NO_SUCH_QUEUE else None
