"""`make run`: prepare what is missing, start every program, show their logs, and stop all of them on Ctrl-C.

    .venv/bin/python -m config.up

`PORT` is the page's port (default 8000). `VAR_DIR` moves `var/`, for a second copy beside the first.
Exit codes: 0 stopped by Ctrl-C or SIGTERM; 1 something failed; 2 wrong usage, such as PORT=abc; 3 refused, with what to do.
"""

import argparse
import os
import shlex
import signal
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from django.core.exceptions import ImproperlyConfigured
from rich.console import Console
from rich.panel import Panel

from config import preflight
from config.environment import ROOT, VAR
from config.following import Terminal, tail
from config.preflight import CanNotRun
from config.programs import CONFIGURATION, programs
from config.supervision import LOG, OUTPUT, Supervisor, log_of

#: Seconds between two looks at the logs, and between two at the programs' states.
LOGS, STATES = 0.1, 1.0


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

    connections.close_all()  # this process asks no database any more
    chosen = programs(settings.CONTEXT_NAMES, port)
    terminal = Terminal([*((one.name, log_of(one.name)) for one in chosen), ("supervisor", LOG / "supervisord.log")])
    say(f"starting {len(chosen)} programs: {', '.join(one.name for one in chosen)}")
    supervisor = Supervisor(chosen)
    watch = Watch(supervisor, f"http://127.0.0.1:{port}/", login)
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


class Watch:
    """Says once when everything runs and the page answers, and what keeps failing."""

    def __init__(self, supervisor: Supervisor, url: str, login: tuple[str, str | None]) -> None:
        self.supervisor, self.url, self.login = supervisor, url, login
        self.ready = False
        self.failed: set[str] = set()
        self.next = 0.0

    def look(self) -> None:
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + STATES
        states = self.supervisor.states()
        failed = {name for name, state in states.items() if state == "FATAL"}
        for name in sorted(failed - self.failed):
            say(f"{name} keeps failing and is not tried again. The end of its log:")
            print(*(f"    {line}" for line in tail(log_of(name))), sep="\n")
            say(f"when that is mended: .venv/bin/supervisorctl -c {shlex.quote(shown(CONFIGURATION))} start {name}")
        self.failed = failed
        if not self.ready and states and set(states.values()) == {"RUNNING"} and answers(self.url):
            self.ready = True
            self._announce()

    def _announce(self) -> None:
        name, password = self.login
        shown = f"[b]{name}[/b] / [b]{password}[/b]" if password else f"{name}, with the password that you gave it"
        Console(soft_wrap=True, highlight=False).print(
            Panel.fit(
                f"[b]{self.url}[/b]\n{self.url}admin/   {shown}\n\nCtrl-C stops everything; the data stays.",
                title="Everything runs",
                padding=(1, 3),
                border_style="green",
            )
        )


def answers(url: str) -> bool:
    """Whether the web server answers with a page, or with the message that there is none at this address."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy of the environment
    try:
        direct.open(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def shown(path: Path) -> str:
    """A path as a person would type it in the project's folder."""
    text = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    return f"{text}/" if path.is_dir() else text


def say(text: str) -> None:
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
