"""Extend Celery's worker so that it loses no message: by default it acknowledges messages that it can't read."""

import logging
from functools import wraps
from typing import Any
from uuid import uuid4

from billiard import pool
from celery.exceptions import TaskRevokedError
from celery.signals import worker_process_init
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from celery.worker.state import maybe_shutdown
from celery.worker.strategy import default

from messaging.consumer.parked import keep
from messaging.errors import MessageRejected
from messaging.events.text import error_line, kind
from messaging.transport import signing
from messaging.transport.queues import DELIVER, HEARTBEAT, RETRY_DUE

log = logging.getLogger(__name__)

#: Celery's loggers that report on the connection, and on each message that was being handled when it broke.
TALKATIVE = (
    "celery.worker.consumer.consumer",
    "celery.worker.consumer.connection",
    "celery.worker.request",
    "kombu.transport.redis",
)
#: The tasks that a message in a context's queue may name.
TASKS = frozenset({DELIVER, HEARTBEAT, RETRY_DUE})
UNACKNOWLEDGED = ("Couldn't ack", "Couldn't reject")
#: The longest pause between two tries to reach the broker.
LONGEST_PAUSE_SECONDS = 5


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _wait_less_for_a_reader(**kwargs: Any) -> None:
    """Let a pool process end 3 s after its last message to the worker, if the worker reads no more.

    When it stops, Celery on Redis returns to the queue every message that a pool process hasn't confirmed. Nobody reads that
    process's confirmations any more, but it waits 30 s for a reader: as long as most platforms wait before they kill. billiard has
    no option for it, and Celery recognises a pool by its module's name, so a pool class of our own doesn't help. That leaves
    billiard's constant, changed only in the pool processes of our own worker: no other process loads this module.
    """
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 30  # tries, each 0.1 s


class ParkingConsumer(Consumer):
    """Park messages that aren't tasks of ours, or can't be read or handed to the pool.

    It logs one line when the broker stops answering and one when it answers again. Celery logs each try, some with a traceback.
    """

    class Blueprint(Consumer.Blueprint):
        # That step declares exchanges that every Celery app on RabbitMQ shares, for messages to be delivered later. Here are none.
        default_steps = tuple(step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery"))

    _away = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in TALKATIVE:
            logging.getLogger(name).addFilter(self._worth_a_line)

    def ensure_connected(self, conn: Any) -> Any:
        def failed(error: BaseException, interval: float) -> None:
            self._say_away(error)

        limit = self.app.conf.broker_connection_max_retries
        connected = conn.ensure_connection(failed, limit, interval_max=LONGEST_PAUSE_SECONDS, callback=maybe_shutdown)
        self.first_connection_attempt = False
        if self._away:
            log.info("the broker answers again")
        self._away = False
        return connected

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        self._say_away(exc)
        super().on_connection_error_after_connected(exc)

    def _say_away(self, error: BaseException) -> None:
        if not self._away:
            log.warning("the broker doesn't answer, trying again until it does: %s", error_line(error))
        self._away = True

    def _worth_a_line(self, record: logging.LogRecord) -> bool:
        """Return False for a line of Celery's that repeats ours, or says that a message wasn't acknowledged: it comes again."""
        return not self._away and not str(record.msg).startswith(UNACKNOWLEDGED)

    def update_strategies(self) -> None:
        for task in self.app.tasks.values():
            if task.Request == "celery.worker.request:Request":
                task.Request = "messaging.consumer.celery_worker:GuardedRequest"  # a message may name any task
        super().update_strategies()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Wrap Celery's handler: most of its errors end the worker, and the same message then ends the next worker."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> Any:
            try:
                message.delivery_info["routing_key"] = self._queue_of(message)
                if refused := getattr(message, "refused", ""):
                    return self._park(message, refused)
                signing.measure(message.body)  # before it is read
                if "task" not in message.headers:  # Celery would look for it in the body, whose signature isn't checked yet
                    raise MessageRejected("The message is not a Celery task.")
                # Celery also knows its own tasks and a host's shared ones, which anybody who may write to the queue could start.
                if (task := message.headers["task"]) not in TASKS:
                    raise MessageRejected(f"This worker knows no task {task!r}.")
                return handle(message)
            except self.connection_errors:
                raise
            except MessageRejected as refused:
                self._park(message, str(refused))
            except Exception as error:
                log.warning("a message can't be handled", exc_info=True)
                self._park(message, f"The message is not a valid task: {kind(error)}.")

        return on_task_received

    def _queue_of(self, message: Any) -> str:
        """Return the queue that a message came from: its context. A sender with its own exchange can write any routing key."""
        if queue := getattr(message, "queue", ""):
            return str(queue)
        for name, tag in self.task_consumer._active_tags.items():
            if tag == message.delivery_info.get("consumer_tag"):
                return str(name)
        return str(message.delivery_info.get("routing_key", ""))

    def _park(self, message: Any, reason: str) -> None:
        if keep(self._queue_of(message), message.body, reason):
            message.ack_log_error(log, self.connection_errors)
        else:
            message.reject_log_error(log, self.connection_errors, requeue=True)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._park(message, f"The message can't be read: {kind(exc)}.")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._park(message, f"The message is not a valid task: {kind(exc)}.")


class GuardedRequest(Request):
    """Park a message that can't be handed to the pool. By default its error ends the worker, and then the next one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # No message here has a start time or a time limit. A forged one could make Celery drop the message (a time that it can't
        # compute with, as in the year 9999, or a limit that it exceeds) or hold it until the year 9000.
        self._eta, self.time_limits = None, (None, None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Celery derives a class with its own `execute_using_pool` from this one, so an override here would never be called.
        super().__init_subclass__(**kwargs)
        if "execute_using_pool" in vars(cls):
            cls.execute_using_pool = _parking(cls.execute_using_pool)


def _parking(execute: Any) -> Any:
    @wraps(execute)
    def execute_or_park(self: GuardedRequest, pool: Any, **kwargs: Any) -> Any:
        try:
            return execute(self, pool, **kwargs)
        except (TaskRevokedError, *self.connection_errors):
            raise
        except Exception as error:
            for waiting in list(getattr(pool._pool, "_cache", {}).values()):  # only the pool of processes has one
                if waiting._error_callback == self.on_failure:
                    waiting.discard()  # else a stopping worker would wait for its result
            if keep(
                self.delivery_info["routing_key"], self.message.body, f"The message can't be handed to a process: {kind(error)}."
            ):
                self.acknowledge()
            else:
                self.reject(requeue=True)
            raise TaskRevokedError(self.id) from error  # on this error Celery frees the pool's slot and continues

    return execute_or_park


def sealed(task: Any, app: Any, consumer: Any) -> Any:
    """Make Celery's strategy for a task that only a publisher may send. The task gets the raw body as one argument.

    Celery would read the body twice, here and in the pool's process, both times before its signature is checked. A body can also
    hold callbacks, and values that replace those of the worker.
    """
    hand_over = default(task, app, consumer)

    def on_message(message: Any, payload: Any, *callbacks: Any) -> Any:
        headers = {name: value for name, value in message.headers.items() if isinstance(value, str)}
        proof = {name: headers[name] for name in (signing.PUBLISHER, signing.SIGNATURE) if name in headers}
        arguments = {"context": message.delivery_info.get("routing_key", ""), "headers": proof, "body": message.body}
        # The signature doesn't cover the other headers (times, limits, callbacks), so they are dropped.
        message.headers = {"task": task.name, "id": headers.get("id") or str(uuid4()), "kwargsrepr": headers.get("kwargsrepr", "")}
        message._decoded_cache = {"args": [], "kwargs": arguments}  # as if Celery had read it
        return hand_over(message, None, *callbacks)

    return on_message
