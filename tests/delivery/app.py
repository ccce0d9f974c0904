"""The project's commands with a bomb: `TEST_KILL_AT=<step>:<n>` kills the process by SIGKILL when it reaches that step
(`messaging/failpoints.py`) for the n-th time. `python -m tests.delivery.app worker billing`.
"""

import os
import signal
import sys
from collections import Counter

from django.core.management import execute_from_command_line

from messaging import failpoints

_reached: Counter[str] = Counter()
_step, _, _times = os.environ.get("TEST_KILL_AT", "").partition(":")


def _bomb(step: str) -> None:
    _reached[step] += 1
    if step == _step and _reached[step] == int(_times):
        os.kill(os.getpid(), signal.SIGKILL)


if _step:
    failpoints.listeners.append(_bomb)

if __name__ == "__main__":
    execute_from_command_line(["manage.py", *sys.argv[1:]])
