"""messaging's own Celery app. It is never the current one, and its tasks are on no other app: a host's Celery stays as it is.

It is configured by the setting `MESSAGING` when it is first used. A host's `CELERY_…` settings and Celery's environment variables
(`CELERY_BROKER_URL` …) don't count. `manage.py worker` and `manage.py scheduler` run it.
"""

from typing import Any

import django
from celery import Celery, current_app
from celery.app import log
from celery.fixups.django import DjangoWorkerFixup
from celery.loaders.app import AppLoader
from celery.signals import worker_process_init
from django.apps import apps

from messaging import settings
from messaging.transport import broker
from messaging.transport.queues import RETRY_DUE, queue

#: Tasks after which a worker closes its database connections. By default Celery closes them around each task, and reopening costs
#: more than a small message (measured: 40 messages/s against 150). The inbox replaces broken connections.
TASKS_PER_CONNECTION = 10_000
#: Seconds between two looks for failed events that are due.
RETRY_SECONDS = 1.0


def configuration() -> dict[str, Any]:
    """Celery's settings. Each of them prevents a loss, or keeps apart what is a host's."""
    from messaging.consumer.handlers import table  # imports models, which Django must have loaded

    consuming = [context.queue for name, context in settings.contexts().items() if table(name)]
    return {
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker without a limit
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        # Acknowledge a message after the work, and return it to the queue if the process died.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_consumer": "messaging.consumer.celery_worker:ParkingConsumer",
        # Remote control has an exchange that every Celery app on a broker shares.
        "worker_enable_remote_control": False,
        "include": ["messaging.tasks"],
        "task_queues": [queue(name) for name in consuming],
        "task_create_missing_queues": False,
        "task_default_exchange": "",  # the broker's default exchange: a login needs no permission to declare one
        # The scheduler only asks workers to check what is due, so a late tick is worthless.
        "beat_schedule": {
            f"retry {name}": {
                "task": RETRY_DUE,
                "schedule": RETRY_SECONDS,
                "kwargs": {"consumer": name},
                "options": {"queue": name, "expires": 5},
            }
            for name in consuming
        },
        "beat_scheduler": "messaging.consumer.celery_scheduler:Scheduler",
    }


class Loader(AppLoader):  # type: ignore[misc]  # celery has no types
    """Gives the app its configuration, and a worker what Django needs."""

    host: Any = None
    fixup: Any = None

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        return configuration()

    def on_worker_init(self) -> None:
        self.host = current_app._get_current_object()
        # Celery's own fix-up, which installs this one, would make the app the default one where a host has none.
        self.fixup = DjangoWorkerFixup(self.app)
        self.fixup.db_reuse_max = TASKS_PER_CONNECTION
        self.fixup.install()
        worker_process_init.connect(self._make_host_current, weak=False)

    def _make_host_current(self, **kwargs: Any) -> None:
        """Make the host's app the current one again, in a process that runs handlers. Celery makes a worker's app the current one,
        and a handler's `send_mail.delay()` would send to our broker."""
        self.host.set_current()
        self.host.set_default()


class Logging(log.Logging):  # type: ignore[misc]
    """Leaves logging as Django's `LOGGING` says, like all other commands. Celery would set the root logger's level and handlers."""

    def setup_logging_subsystem(self, *args: Any, **kwargs: Any) -> bool:
        return True


class App(Celery):  # type: ignore[misc]
    amqp_cls = "messaging.transport.broker:AMQP"
    log_cls = "messaging.celery:Logging"
    backend_cls = "disabled"  # without it, CELERY_RESULT_BACKEND in the environment counts

    def connection_for_write(self, url: Any = None, transport_options: Any = None, **options: Any) -> Any:
        """A connection to the broker of `MESSAGING`, not yet connected. Raises `NoBroker` if none is set."""
        return super().connection_for_write(broker.url(), transport_options=broker.options(), **options)

    connection_for_read = connection_for_write  # there is one broker

    def __reduce__(self) -> Any:
        return _unpickled, ()  # in a process that was started anew, as on macOS


def _unpickled() -> App:
    if not apps.ready:
        django.setup()
    return app


# Without fix-ups: Celery's Django fix-up makes an app the default one if there is none.
app = App("messaging", loader="messaging.celery:Loader", set_as_current=False, fixups=[])
