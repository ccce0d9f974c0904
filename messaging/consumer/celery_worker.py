"""What Celery's worker must do differently for nothing to be lost: by default it acknowledges what it can't read."""

import logging
import random
import time
from collections.abc import Mapping
from functools import wraps
from typing import Any

from billiard import pool
from celery.exceptions import TaskRevokedError
from celery.signals import worker_process_init
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from celery.worker.state import maybe_shutdown
from django.db import close_old_connections, connections

from messaging import settings
from messaging.consumer import parked
from messaging.database import errors, outages
from messaging.errors import MessageRejected
from messaging.events.text import error_line, kind, said
from messaging.transport import signing

log = logging.getLogger(__name__)

#: Seconds before a message that couldn't be parked goes back to its queue, at least and at most: it comes again at once.
PAUSE_SECONDS = (0.5, 1.5)


#: What the outage of a database stops, in the words of `outages`.
PARKING = "parking unreadable messages"

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


def keep(context: str, body: Any, reason: str, headers: Mapping[str, Any] | None = None) -> bool:
    """Park what the worker can't read, or what nobody vouches for, with its `headers`. False where the database didn't take it."""
    known = settings.contexts().get(context)
    if known is None:
        log.error("a message for %r can't be kept here: %s", context, reason)
        time.sleep(random.uniform(*PAUSE_SECONDS))
        return False
    try:
        close_old_connections()
        if headers is None:
            parked.park_unreadable(known.alias, body, reason)
        else:
            parked.park_refused(known.alias, headers, body, reason)
    except Exception as error:
        if errors.takes_nothing(error):
            outages.began(log, context, PARKING, said(error))
        else:
            log.exception("a message for %s could not be parked; it goes back to the queue", context)
        time.sleep(random.uniform(*PAUSE_SECONDS))
        return False
    finally:
        connections[known.alias].close()  # this is the worker's main process; its children must not inherit a connection
    outages.ended(log, context, PARKING)
    log.warning("%s: parked a message: %s", context, reason)
    return True


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
                    return self.on_unknown_message(None, message)
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

    def on_unknown_message(self, body: Any, message: Any) -> None:
        if _is_ours(message):
            self._park(message, "The message is not a Celery task.")
        else:
            super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        if _is_ours(message):
            self._park(message, f"Nobody knows the task {(message.headers or {}).get('task')!r}.")
        else:
            super().on_unknown_task(body, message, exc)

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

    #: Guarded in a host's queue too.
    everywhere = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.guarded:
            return
        if isinstance(self.body, bytes | str):
            # The pool gets the body and reads it itself. Celery sends along what it read: more to pickle, and pickle takes half
            # the depth that JSON does. Without it the inbox sees the event that is nested too deep, and the others beside it.
            self.request_dict["args"] = self.request_dict["kwargs"] = None
        # Nothing here is for later, or has to be quick. Celery throws a message away whose time it can't reckon with (year 9999),
        # or that takes longer than it says itself; one for the year 9000 it would hold for as long as that takes.
        self._eta, self.time_limits = None, (None, None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Celery makes a class of its own from this one, with a method `execute_using_pool`; an override here would never be called.
        super().__init_subclass__(**kwargs)
        if "execute_using_pool" in vars(cls):
            cls.execute_using_pool = _parking(cls.execute_using_pool)

    @property
    def guarded(self) -> bool:
        return self.everywhere or _is_ours(self.message)

    def admit(self) -> None:
        """Raises `MessageRejected` for what must not reach the pool."""

    def park(self, reason: str, headers: Mapping[str, Any] | None = None) -> bool:
        return keep((self.delivery_info or {}).get("routing_key", ""), self.message.body, reason, headers)


def _parking(execute: Any) -> Any:
    @wraps(execute)
    def execute_or_park(self: GuardedRequest, pool: Any, **kwargs: Any) -> Any:
        if not self.guarded:
            return execute(self, pool, **kwargs)
        try:
            self.admit()
            return execute(self, pool, **kwargs)
        except (TaskRevokedError, *self.connection_errors):
            raise
        except Exception as error:
            for waiting in list(getattr(pool._pool, "_cache", {}).values()):  # only the pool of processes has one
                if waiting._error_callback == self.on_failure:
                    waiting.discard()  # or the worker waits for its result when it is told to stop
            refused = isinstance(error, MessageRejected)
            reason = str(error) if refused else f"The message can't be handed to a process: {kind(error)}."
            if self.park(reason, self.request_dict if refused else None):
                self.acknowledge()
            else:
                self.reject(requeue=True)
            raise TaskRevokedError(self.id) from error  # the error on which Celery gives the pool's slot back, and goes on

    return execute_or_park


class SignedRequest(GuardedRequest):
    """A message that only a publisher may send. Who it was is checked here, over the bytes that came, and told to the pool,
    whatever the message itself wrote there. One that nobody vouches for is kept as it came."""

    everywhere = True

    def admit(self) -> None:
        self.request_dict[signing.VERIFIED] = signing.check(self.request_dict, self.type, self.body)


class DeliveryRequest(SignedRequest):
    """A delivery that failed outside the inbox: its body wasn't JSON, or not what the task takes. Parked, not just acknowledged.
    And an event doesn't expire."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expires = None

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        from celery.exceptions import Ignore, Reject, Retry, Terminated, WorkerLostError

        error = getattr(exc_info.exception, "exc", exc_info.exception)
        ours = Ignore, Reject, Retry, Terminated, WorkerLostError, SystemExit, KeyboardInterrupt, MemoryError
        if not isinstance(error, ours) and not self.park(f"The message can't be delivered: {error_line(error)}"):
            return self.reject(requeue=True)
        return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
