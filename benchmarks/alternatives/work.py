"""The settings of the alternatives' Celery applications."""

import os
from typing import Any

from messaging.transport.broker import OPTIONS


def configure(app: Any, name: str) -> Any:
    """Configure a new queue, late acknowledgement and one message at a time, so a killed worker loses nothing, like the project."""
    url = os.environ["CELERY_BROKER_URL"]
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        broker_transport_options=OPTIONS[url.partition(":")[0].partition("+")[0]],
        broker_connection_retry_on_startup=True,
        task_default_queue=f"bench-{name}-{os.environ['BENCH_MARK']}",
    )
    if os.environ.get("BENCH_KEEP_CONNECTIONS"):
        # Celery closes a worker's database connection around each task, unless this allows it to serve more tasks.
        app.conf["CELERY_DB_REUSE_MAX"] = 10_000
    return app
