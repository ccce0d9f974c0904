"""`make run`: prepare what is missing, start every program, show their logs, and stop all of them on Ctrl-C.

    .venv/bin/python -m config.runner.up

`PORT` is the page's port (default 8000). `VAR_DIR` moves `var/`, for a second copy beside the first.
Exit codes: 0 stopped by Ctrl-C or SIGTERM; 1 something failed; 2 wrong usage, such as PORT=abc; 3 refused, with what to do.
"""

import argparse
import os
import signal
import sys
from contextlib import closing
from types import FrameType

from django.core.exceptions import ImproperlyConfigured

from config.env import VAR
from config.runner import preflight
from config.runner.preflight import CanNotRun
from config.runner.readiness import say, shown


class Stopped(BaseException):
    """Ctrl-C or SIGTERM before anything was started."""


class Stop:
    """Remembers that a signal asked to stop, and how often."""

    def __init__(self) -> None:
        self.asked = 0
        self.preparing = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signal)

    def _signal(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.preparing and self.asked == 1:
            raise Stopped


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m config.runner.up", description="Prepare and start everything; Ctrl-C stops it."
    ).parse_args()
    stop = Stop()
    try:
        preflight.check_folder()
        port = preflight.chosen_port()
        with closing(preflight.only_one()):
            return start(port, stop)
    except Stopped:
        say("stopped before anything was started; the next start goes on from here")
        return 0
    except CanNotRun as reason:
        print(reason, file=sys.stderr)
        return reason.code
    except ImproperlyConfigured as reason:
        print(reason, file=sys.stderr)
        return preflight.WRONG_USAGE
    except BrokenPipeError:  # `make run | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return preflight.FAILED


def start(port: int, stop: Stop) -> int:
    """Migrate, start every program and stay with them until a signal."""
    preflight.none_of_an_earlier_run()
    preflight.check_port(port)
    say(f"{shown(VAR)} can be written to, port {port} is free")

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from config.runner import programs, provisioning, system

    provisioning.check_broker()
    for line in provisioning.migrate():
        say(line)
    say("databases are up to date")
    prepared = system.prepare()
    stop.preparing = False
    return system.run(programs.chosen(port), f"http://127.0.0.1:{port}/", prepared, stop)


if __name__ == "__main__":
    sys.exit(main())
