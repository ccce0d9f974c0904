"""One durable queue per context, and the way to it.

The exchange is the empty one, the broker's own direct exchange: a message reaches exactly the queue it names, so a redelivery or
a retry never reaches another consumer. And its routes can't be lost, because there are none to store: kombu keeps a named
exchange's bindings in Redis, where a flush takes them away and messages fall into the void.
"""

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerError

from messaging import settings
from messaging.errors import OtherType

#: The Celery task that hands a message to the inbox.
DELIVER = "messaging.deliver"
#: The Celery task that notes an authority's sign of life.
HEARTBEAT = "messaging.heartbeat"
#: AMQP's reply codes for them, a number or a text by the transport.
NO_SUCH_QUEUE, OTHER_ARGUMENTS = "404", "406"
#: RabbitMQ's types of queues that this works with.
CLASSIC, QUORUM = TYPES = ("classic", "quorum")
#: A quorum queue drops a message that came back too often, by default 20 times on RabbitMQ 4. Here one comes back each second for
#: as long as the consumer's database is away, and what can't be read is parked. So the limit is as high as every version takes it.
MOST_DELIVERIES = 2**31 - 1


def queue(name: str, kind: str | None = None) -> Queue:
    """The queue of a context. `kind`: its type on RabbitMQ, which `MESSAGING["QUEUE_TYPE"]` says by default.

    It is always said. An untyped queue has the type that the virtual host makes, and Celery doesn't hear of that: on a quorum queue
    it then asks for what such a queue refuses, and never gets a message.
    """
    kind = kind or settings.queue_type()
    arguments = {"x-queue-type": kind, **({"x-delivery-limit": MOST_DELIVERIES} if kind == QUORUM else {})}
    return Queue(name, exchange=Exchange("", type="direct"), routing_key=name, durable=True, queue_arguments=arguments)


def bad_option(app: Celery) -> str:
    """A sentence about a transport option under which messages would be lost; empty: none."""
    if (app.conf.broker_transport_options or {}).get("global_keyprefix"):
        return (
            "The broker's transport option global_keyprefix isn't supported: kombu loses what a killed worker fetched, and opens "
            "what is compressed. Take it out, and give each project a Redis database of its own, as redis://host/3."
        )
    return ""


def other_type(error: BaseException, name: str) -> OtherType | None:
    """What a broker's error means, where it is that the queue has another type."""
    if str(getattr(error, "reply_code", "")) != OTHER_ARGUMENTS:
        return None
    kind = settings.queue_type()
    return OtherType(
        f"The queue {name} is there and isn't declared as {kind}. Let the last release's worker empty it, delete it "
        f"(`rabbitmqctl delete_queue {name} --if-empty`), and it is made anew; or set QUEUE_TYPE to the type that it has."
    )


def here(app: Celery) -> list[str]:
    """The contexts of this process that have a queue: those in Celery's `task_queues`. One that is only read from has none."""
    known = {entry.name for entry in app.conf.task_queues or ()}
    return [context.queue for context in settings.contexts().values() if context.queue in known]


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


def check_types(app: Celery, names: list[str]) -> list[str]:
    """Sentences about those of these queues that are there with another type. Empty where the broker doesn't answer."""
    connection = app.connection_for_write()
    away = (BrokerError, OSError, *connection.connection_errors, *connection.channel_errors)
    found = []
    with connection:
        for name in names:
            try:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
                queue(name).bind(connection.channel()).queue_declare()
            except away as error:
                other = other_type(error, name)
                found += [str(other)] if other else []
    return found
