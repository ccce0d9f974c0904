"""One durable queue per context, reached by the broker's default exchange.

That exchange delivers a message to the one queue that it names. So a redelivery or a retry never reaches another consumer. Its
routes can't be lost either, because it stores none: kombu keeps a named exchange's bindings in Redis, and after a flush messages
would be dropped.
"""

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerError

from messaging import settings
from messaging.errors import OtherType
from messaging.transport import broker

#: The Celery task that passes a message to the inbox.
DELIVER = "messaging.deliver"
#: The Celery task that notes an authority's heartbeat.
HEARTBEAT = "messaging.heartbeat"
#: The Celery task that retries failed events.
RETRY_DUE = "messaging.retry_due"
#: AMQP's reply codes, which are numbers or texts depending on the transport.
NO_SUCH_QUEUE, OTHER_ARGUMENTS = "404", "406"
#: The supported types of RabbitMQ's queues.
CLASSIC, QUORUM = TYPES = ("classic", "quorum")
#: A quorum queue drops a message that was returned too often, by default 20 times on RabbitMQ 4. Here a message is returned each
#: second while the consumer's database is down; unreadable ones are parked. So the limit is the highest that every version accepts.
MOST_DELIVERIES = 2**31 - 1


def queue(name: str, kind: str | None = None) -> Queue:
    """The queue of a context. `kind`: its type on RabbitMQ, by default `MESSAGING["QUEUE_TYPE"]`.

    The type is always declared. Otherwise it is the virtual host's default, which Celery doesn't know: on a quorum queue it would
    ask for a global QoS, which the queue refuses, and never get a message.
    """
    kind = kind or settings.queue_type()
    arguments = {"x-queue-type": kind, **({"x-delivery-limit": MOST_DELIVERIES} if kind == QUORUM else {})}
    return Queue(name, exchange=Exchange("", type="direct"), routing_key=name, durable=True, queue_arguments=arguments)


def other_type(error: BaseException, name: str) -> OtherType | None:
    """The `OtherType` for a broker's error, if the error means that the queue has another type."""
    if str(getattr(error, "reply_code", "")) != OTHER_ARGUMENTS:
        return None
    kind = settings.queue_type()
    return OtherType(
        f"The queue {name} exists with another type than {kind}. Let the last release's worker empty it, then delete it "
        f"(`rabbitmqctl delete_queue {name} --if-empty`): it is created again. Or set QUEUE_TYPE to the type that it has."
    )


def here(app: Celery) -> list[str]:
    """The contexts of this process with a queue in Celery's `task_queues`. A context that consumes nothing has none."""
    known = {entry.name for entry in app.conf.task_queues or ()}
    return [context.queue for context in settings.contexts().values() if context.queue in known]


def depth(app: Celery, name: str) -> int | None:
    """The number of messages in a queue, without those that workers have fetched; None if no broker is set or it doesn't answer.

    It doesn't create the queue: a missing one counts as empty.
    """
    if broker.refusal():
        return None
    connection = app.connection_for_read()
    away = (BrokerError, OSError, *connection.connection_errors, *connection.channel_errors)
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
            return int(queue(name).bind(connection.default_channel).queue_declare(passive=True).message_count)
    except away as error:
        return 0 if str(getattr(error, "reply_code", "")) == NO_SUCH_QUEUE else None


def check_types(app: Celery, names: list[str]) -> list[str]:
    """A sentence for each queue that exists with another type. Empty if the broker doesn't answer."""
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
