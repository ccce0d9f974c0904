"""What Celery's worker must do differently for nothing to be lost: by default it acknowledges what it can't read."""

import logging
from typing import Any

from celery.signals import worker_init
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from messaging import conf, parking
from messaging.checks import registered_types_have_handlers

log = logging.getLogger(__name__)


def keep(context: str, body: Any, reason: str) -> bool:
    """Park what the worker can't read; False where the context's database didn't take it."""
    if context not in conf.contexts():
        log.error("a message for %r can't be kept here: %s", context, reason)
        return False
    try:
        close_old_connections()
        parking.park_unreadable(context, body, reason)
    except Exception:
        log.exception("a message for %s could not be parked; it goes back to the queue", context)
        return False
    finally:
        connections[context].close()  # this is the worker's main process; its children must not inherit a connection
    log.warning("%s: parked a message: %s", context, reason)
    return True


@worker_init.connect  # type: ignore[untyped-decorator]
def refuse_without_handlers(**kwargs: Any) -> None:
    """A worker that gets types that nobody handles doesn't start: better an error now than parked messages later."""
    try:
        problems = registered_types_have_handlers(None, databases=conf.contexts())
    except (OperationalError, InterfaceError) as error:
        log.warning("the register can't be read now, so the handlers aren't checked: %s", error)
        problems = []
    finally:
        connections.close_all()  # the pool's processes must not inherit a connection
    for problem in problems:
        log.error("%s %s", problem.msg, problem.hint)
    if problems:
        raise SystemExit(3)


class ParkingConsumer(Consumer):
    """Parks messages that aren't tasks, that name an unknown task, or whose body isn't JSON."""

    def _park(self, message: Any, reason: str) -> None:
        context = (message.delivery_info or {}).get("routing_key", "")
        if keep(context, message.body, reason):
            message.ack_log_error(log, self.connection_errors)
        else:
            message.reject_log_error(log, self.connection_errors, requeue=True)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._park(message, f"The message can't be read: {type(exc).__name__}.")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._park(message, "The message is not a Celery task.")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._park(message, f"Nobody knows the task {(message.headers or {}).get('task')!r}.")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._park(message, f"The message is not a valid task: {type(exc).__name__}.")


class DeliveryRequest(Request):
    """A delivery that failed outside the inbox: its body wasn't JSON, or not what the task takes. Parked, not just acknowledged."""

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        from celery.exceptions import Ignore, Reject, Retry, Terminated, WorkerLostError

        error = getattr(exc_info.exception, "exc", exc_info.exception)
        ours = Ignore, Reject, Retry, Terminated, WorkerLostError, SystemExit, KeyboardInterrupt, MemoryError
        if not isinstance(error, ours):
            context = (self.delivery_info or {}).get("routing_key", "")
            if not keep(context, self.body, f"The message can't be delivered: {type(error).__name__}: {error}"):
                return self.reject(requeue=True)
        return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)
