"""What Celery's worker must do differently for nothing to be lost: by default it acknowledges what it can't read."""

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

from messaging import settings
from messaging.consumer.parked import keep
from messaging.errors import MessageRejected
from messaging.events.text import error_line, kind
from messaging.transport import signing

log = logging.getLogger(__name__)

#: Celery's loggers that tell of the connection, and its line about each message that was in hand as it broke.
TALKATIVE = (
    "celery.worker.consumer.consumer",
    "celery.worker.consumer.connection",
    "celery.worker.request",
    "kombu.transport.redis",
)
UNACKNOWLEDGED = ("Couldn't ack", "Couldn't reject")
#: Seconds between two tries to reach the broker, at most.
LONGEST_PAUSE_SECONDS = 5


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _wait_less_for_a_reader(**kwargs: Any) -> None:
    """Let a pool process end 3 s after its last word, where nobody reads that.

    Told to stop, Celery on Redis gives back to the queue what it handed to a pool process and heard nothing of yet. Nobody reads
    what that process then says, and it waits for a reader for 30 s: as long as most platforms wait before they kill. billiard has
    no option for it. A pool of our own is no way out: Celery tells what a pool is by the name of its module. So its constant is
    changed, in Celery's pool processes alone.
    """
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 30  # tries, each 0.1 s


class ParkingConsumer(Consumer):
    """Parks messages that aren't tasks, that name an unknown task, or that can't be read or handed to the pool.

    And says in two lines that the broker is away, and is back. Celery says it at each try, some of it with a traceback.
    """

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
        """Whether one of Celery's lines says something that nobody said yet. What can't be acknowledged now comes again."""
        return not self._away and not str(record.msg).startswith(UNACKNOWLEDGED)

    def update_strategies(self) -> None:
        for task in self.app.tasks.values():
            if task.Request == "celery.worker.request:Request":
                task.Request = "messaging.consumer.celery_worker:GuardedRequest"  # a message may name any task
        super().update_strategies()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Any:
        """Celery's handler lets most errors through; they end the worker, and the message meets the next one."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> Any:
            context = self._queue_of(message)
            if context not in settings.contexts():
                return handle(message)  # a host's
            try:
                message.context = message.delivery_info["routing_key"] = context
                if refused := getattr(message, "refused", ""):
                    return self._park(message, refused)
                signing.measure(message.body)  # before it is read
                if "task" not in message.headers:  # Celery would look for it in the body, before anybody vouched for that
                    raise MessageRejected("The message is not a Celery task.")
                if (task := message.headers["task"]) not in self.strategies:
                    raise MessageRejected(f"Nobody knows the task {task!r}.")
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
        """The queue that a message came from: its context. With an exchange of their own, senders write any routing key."""
        if queue := getattr(message, "queue", ""):
            return str(queue)
        for name, tag in self.task_consumer._active_tags.items():
            if tag == message.delivery_info.get("consumer_tag"):
                return str(name)
        return str(message.delivery_info.get("routing_key", ""))

    def _park(self, message: Any, reason: str) -> None:
        context = (message.delivery_info or {}).get("routing_key", "")
        if keep(context, message.body, reason):
            message.ack_log_error(log, self.connection_errors)
        else:
            message.reject_log_error(log, self.connection_errors, requeue=True)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        if _is_ours(message):
            self._park(message, f"The message can't be read: {kind(exc)}.")
        else:
            super().on_decode_error(message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        if _is_ours(message):
            self._park(message, f"The message is not a valid task: {kind(exc)}.")
        else:
            super().on_invalid_task(body, message, exc)


def _is_ours(message: Any) -> bool:
    """Say if a message was in a context's queue. A host's own tasks are none of our business."""
    return hasattr(message, "context")


class GuardedRequest(Request):
    """A message that can't be handed to the pool is parked; by default the error ends the worker, and the next one too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if _is_ours(self.message):
            # Nothing here is for later, or has to be quick. Celery throws a message away whose time it can't reckon with (year
            # 9999), or that takes longer than it says itself; one for the year 9000 it would hold for as long as that takes.
            self._eta, self.time_limits = None, (None, None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Celery makes a class of its own from this one, with a method `execute_using_pool`; an override here would never be called.
        super().__init_subclass__(**kwargs)
        if "execute_using_pool" in vars(cls):
            cls.execute_using_pool = _parking(cls.execute_using_pool)


def _parking(execute: Any) -> Any:
    @wraps(execute)
    def execute_or_park(self: GuardedRequest, pool: Any, **kwargs: Any) -> Any:
        if not _is_ours(self.message):
            return execute(self, pool, **kwargs)
        try:
            return execute(self, pool, **kwargs)
        except (TaskRevokedError, *self.connection_errors):
            raise
        except Exception as error:
            for waiting in list(getattr(pool._pool, "_cache", {}).values()):  # only the pool of processes has one
                if waiting._error_callback == self.on_failure:
                    waiting.discard()  # else the worker would wait for its result when it has to stop
            if keep(self.message.context, self.message.body, f"The message can't be handed to a process: {kind(error)}."):
                self.acknowledge()
            else:
                self.reject(requeue=True)
            raise TaskRevokedError(self.id) from error  # the error on which Celery gives the pool's slot back, and goes on

    return execute_or_park


def sealed(task: Any, app: Any, consumer: Any) -> Any:
    """Celery's strategy for a task that only a publisher may send: it gets the message as it travelled, its body as one argument.

    Celery would read the body twice, here and in the pool's process, both times before its signature is checked. And a body may
    hold more than arguments: callbacks, and values that replace what the worker knows of the message.
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
