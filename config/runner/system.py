"""Every program of this project under one supervisor. `make run` starts them with a web server among them, `manage.py runserver`
beside its own."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from django.db import connections

from config import api_locations
from config.env import VAR
from config.runner import preflight, provisioning
from config.runner.log_tail import Terminal, tail
from config.runner.programs import Program
from config.runner.readiness import Watch, say, shown
from config.runner.supervisor import LOG, OUTPUT, Supervisor, log_of
from messaging.events.text import plural

#: Seconds between two looks at the logs.
LOOK_SECONDS = 0.1


class Stop(Protocol):
    """`asked`: how often somebody asked to stop. Once, and all end in good order; again, and they end at once."""

    asked: int


def prepare() -> tuple[str, str | None]:
    """What the programs need before they start; returns the admin's name and password."""
    login = provisioning.login()
    for line in provisioning.register():
        say(line)
    connections.close_all()
    return login


def run(programs: Sequence[Program], url: str, login: tuple[str, str | None], stop: Stop) -> int:
    """Start the programs and stay with them until somebody asks to stop; 0 where that was the end.

    `url`: where the web server answers, which is one of the programs or runs beside them.
    """
    terminal = Terminal([*((one.name, log_of(one.name)) for one in programs), ("supervisor", LOG / "supervisord.log")])
    starting = [one.name for one in programs if not one.on_demand]
    say(f"starting {plural(len(starting), 'program')}: {', '.join(starting)}")
    api_locations.ADDRESS.write_text(f"{url}\n")  # commands beside this one find the API there
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
        time.sleep(LOOK_SECONDS)
    preflight.nothing_left()
    with suppress(OSError):
        terminal.finish()
