"""A host's own Celery app, as Celery's pages recommend it: the settings import it, so it is the current one. Its broker is in
CELERY_BROKER_URL. `celery -A tests.delivery.host worker -Q host`.
"""

import os
import time
from pathlib import Path

from celery import Celery, shared_task

from tests.delivery.host_queues import QUEUES

app = Celery("host", backend=os.environ["HOST_RESULTS_URL"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_queues=list(QUEUES.values()))


@shared_task(name="host.mail")
def send_mail(text: str, user: str) -> None:
    raise AssertionError("Nobody works on the queue of mails.")


@app.task(name="host.long")
def long(started: str, end: str) -> str:
    """Note each start, and work until a file is there."""
    with Path(started).open("a") as file:
        file.write("started\n")
    while not Path(end).exists():
        time.sleep(0.05)
    return "done"
