"""Runs all programs of the project under one supervisor. The web server is one of them with `make run`, but not with `manage.py
runserver`."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from django.db import connections

from config import api_locations, runner
from config.env import VAR
from config.runner import preflight, provisioning
from config.runner.log_tail import Terminal, tail
from config.runner.programs import Program
from config.runner.readiness import Watch, say, shown
from config.runner.supervisor import LOG, OUTPUT, Supervisor, log_of
from messaging.events.text import plural

#: Seconds between two reads of the logs.
LOOK_SECONDS = 0.1


class Stop(Protocol):
    """A request to stop."""

    asked: int  #: 1: stop all programs in order. 2 or more: stop them at once.


def prepare() -> tuple[str, str | None]:
    """Prepare the login and the registrations, and what an app does at each start. Returns the admin's name and password."""
    login = provisioning.login()
    for line in provisioning.register():
        say(line)
    for begin in runner.beginning:
        begin()
    connections.close_all()
    return login


def run(programs: Sequence[Program], url: str, login: tuple[str, str | None], stop: Stop) -> int:
    """Start the programs and supervise them until `stop`. Returns the exit code. The web server answers at `url`."""
    terminal = Terminal([*((one.name, log_of(one.name)) for one in programs), ("supervisor", LOG / "supervisord.log")])
    starting = [one.name for one in programs if not one.on_demand]
    say(f"starting {plural(len(starting), 'program')}: {', '.join(starting)}")
    api_locations.ADDRESS.write_text(f"{url}\n")  # other commands find the API by it
    supervisor = Supervisor(programs)
    watch = Watch(supervisor, url, login, starting, provisioning.Seeding())
    try:
        while not stop.asked and supervisor.runs():
            terminal.show()
            watch.look()
            time.sleep(LOOK_SECONDS)
    finally:
        stopped = bool(stop.asked)
        end(supervisor, terminal, stop)
    if not stopped:
        print("supervisord and all programs ended unexpectedly. The end of its output:", *tail(OUTPUT), sep="\n  ", file=sys.stderr)
        return preflight.FAILED
    say(f"stopped; your data stays in {shown(VAR)}")
    return 0


def end(supervisor: Supervisor, terminal: Terminal, stop: Stop) -> None:
    """Stop everything and print the last lines. A second Ctrl-C stops it at once."""
    asked = stop.asked
    with suppress(OSError):  # the terminal may be closed
        say("stopping …")
    while supervisor.runs():
        if stop.asked > asked:
            supervisor.kill()
        else:
            supervisor.stop()
        with suppress(OSError):
            terminal.show()
        time.sleep(LOOK_SECONDS)
    preflight.nothing_left()
    with suppress(OSError):
        terminal.finish()
