"""The project's commands, with a pool process that tells its worker to stop (SIGTERM) when it has a job in hand, and says a second
later that it took it. `python -m tests.delivery.stopping worker billing`.
"""

import os
import signal
import sys
import time

from celery.concurrency import asynpool
from django.core.management import execute_from_command_line

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

if __name__ == "__main__":
    execute_from_command_line(["manage.py", *sys.argv[1:]])
