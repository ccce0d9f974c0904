"""`make run`: prepare what is missing, start every program, show their logs, and stop all of them on Ctrl-C.

    .venv/bin/python -m config.up

`PORT` is the page's port (default 8000). `VAR_DIR` moves `var/`, for a second copy beside the first.
Exit codes: 0 stopped by Ctrl-C or SIGTERM; 1 something failed; 2 wrong usage, such as PORT=abc; 3 refused, with what to do.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import IO

from django.core.exceptions import ImproperlyConfigured

from config import apis, preflight
from config.announcing import Watch, say, shown
from config.environment import VAR
from config.following import Terminal, tail
from config.preflight import CanNotRun
from config.supervision import LOG, OUTPUT, Supervisor, log_of

#: Seconds between two looks at the logs.
LOGS = 0.1


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
    argparse.ArgumentParser(prog="python -m config.up", description="Prepare and start everything; Ctrl-C stops it.").parse_args()
    stop = Stop()
    lock: IO[str] | None = None
    try:
        preflight.check_folder()
        port = preflight.chosen_port()
        lock = preflight.only_one()
        login = prepare(port)
        stop.preparing = False
        return run(port, login, stop)
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
    finally:
        if lock is not None:
            lock.close()


def prepare(port: int) -> tuple[str, str | None]:
    """Everything up to the first process; returns the admin's name and password."""
    if not preflight.nothing_left(patience=0):
        say("waiting for the programs of an earlier run to end")
        if not preflight.nothing_left():
            raise CanNotRun(
                "Programs of an earlier run are still there. Look for them with: ps ax | grep celery", preflight.REFUSED
            )
    preflight.check_port(port)
    say(f"{shown(VAR)} can be written to, port {port} is free")

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from config import broker, preparation

    if broker.is_embedded():
        say("broker: embedded")
    else:
        preparation.check_broker()
        say("broker: the one that CELERY_BROKER_URL names answers")
    for line in preparation.migrate():
        say(line)
    say("databases are up to date")
    login = preparation.login()
    for line in preparation.seed():
        say(line)
    return login


def run(port: int, login: tuple[str, str | None], stop: Stop) -> int:
    """Start the programs and stay with them until a signal; 0 where it was one."""
    from django.conf import settings
    from django.db import connections

    from config.programs import apart, programs

    connections.close_all()  # this process asks no database any more
    chosen = programs(settings.CONTEXT_NAMES, port) + (apart(port) if settings.WALKTHROUGH else [])
    terminal = Terminal([*((one.name, log_of(one.name)) for one in chosen), ("supervisor", LOG / "supervisord.log")])
    starting = [one.name for one in chosen if not one.on_demand]
    say(f"starting {len(starting)} programs: {', '.join(starting)}")
    url = f"http://127.0.0.1:{port}/"
    apis.ADDRESS.write_text(f"{url}\n")  # commands beside this one find the API there
    supervisor = Supervisor(chosen)
    watch = Watch(supervisor, url, login, starting)
    try:
        while not stop.asked and supervisor.runs():
            terminal.show()
            watch.look()
            time.sleep(LOGS)
    finally:
        stopped = bool(stop.asked)
        end(supervisor, terminal, stop)
    if not stopped:
        print("supervisord ended, and with it everything. Its last words:", *tail(OUTPUT), sep="\n  ", file=sys.stderr)
        return preflight.FAILED
    say(f"stopped; your data stays in {shown(VAR)}")
    return 0


def end(supervisor: Supervisor, terminal: Terminal, stop: Stop) -> None:
    """Stop everything and show the last lines. A second Ctrl-C doesn't wait."""
    asked = stop.asked
    with suppress(OSError):  # the terminal may be gone; everything stops all the same
        say("stopping …")
    while supervisor.runs():
        if stop.asked > asked:
            supervisor.kill()
        else:
            supervisor.stop()
        with suppress(OSError):
            terminal.show()
        time.sleep(LOGS)
    preflight.nothing_left()
    with suppress(OSError):
        terminal.finish()


if __name__ == "__main__":
    sys.exit(main())
