"""`make run`: prepares the databases, starts every program, shows their logs, and stops all of them on Ctrl-C.

    .venv/bin/python -m config.runner.up

`PORT` is the web server's port (default 8000). A second copy of the project needs another `VAR_DIR`, the folder of its data.
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
    """Ctrl-C or SIGTERM came before anything was started."""


class Stop:
    """Counts the signals that ask to stop."""

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
        prog="python -m config.runner.up", description="Prepare and start all programs; Ctrl-C stops them."
    ).parse_args()
    stop = Stop()
    try:
        preflight.check_folder()
        port = preflight.chosen_port()
        with closing(preflight.only_one()):
            return start(port, stop)
    except Stopped:
        say("stopped before anything was started; the next start continues here")
        return 0
    except CanNotRun as reason:
        print(reason, file=sys.stderr)
        return reason.code
    except ImproperlyConfigured as reason:
        print(reason, file=sys.stderr)
        return preflight.WRONG_USAGE
    except BrokenPipeError:  # `make run | head`: the reader has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return preflight.FAILED


def start(port: int, stop: Stop) -> int:
    """Migrate, start every program and supervise them until a signal."""
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
