"""The Celery app, with a pool process that has its worker told to stop (SIGTERM) as soon as it has a job in hand, and says a second
later that it took it. `celery -A tests.delivery.stopping worker`.
"""

import os
import signal
import time

from celery.concurrency import asynpool

from tests.delivery.app import app

__all__ = ["app"]
_make_child_methods = asynpool.Worker._make_child_methods


def _stopping(self, *args, **kwargs):
    _make_child_methods(self, *args, **kwargs)
    wait_for_job = self.wait_for_job

    def wait_and_stop(*args, **kwargs):
        job = wait_for_job(*args, **kwargs)
        if job:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(1)
        return job

    self.wait_for_job = wait_and_stop


asynpool.Worker._make_child_methods = _stopping
