"""The project's commands, with a scheduler that gets SIGTERM while it builds its schedule, when Celery's handler builds it again.
`python -m tests.commands.stopping scheduler`.
"""

import os
import signal
import sys
from typing import Any

from celery import beat
from django.core.management import execute_from_command_line

_setup_schedule = beat.Scheduler.setup_schedule


def _stopping(self: Any) -> None:
    beat.Scheduler.setup_schedule = _setup_schedule
    print("told to stop", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    _setup_schedule(self)


beat.Scheduler.setup_schedule = _stopping

if __name__ == "__main__":
    execute_from_command_line(["manage.py", *sys.argv[1:]])
