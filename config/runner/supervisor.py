"""supervisord as a child of `make run`: started on a tether, asked over its control socket, stopped in good order."""

import configparser
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from config.env import ROOT, VAR
from config.runner.broker_server import tethered
from config.runner.preflight import PROGRAMS_LOCK
from config.runner.programs import CONFIGURATION, Program, environment, write_configuration

LOG = VAR / "log"
OUTPUT = LOG / "supervisord.out"
#: States in which a program has no process, and gets none by itself.
ENDED = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
#: What asking raises while supervisord is on its way up or down, or answers that it won't.
UNREACHABLE = (OSError, HTTPException, Error, KeyError)


def log_of(name: str) -> Path:
    """Where a program's output goes."""
    return LOG / f"{name}.log"


def control(configuration: Path = CONFIGURATION) -> Any:
    """supervisord's XML-RPC interface: `control().supervisor.stopProcess("relay-users")`. Any process of the project may ask."""
    parser = configparser.RawConfigParser()
    parser.read(configuration, encoding="utf-8")
    section = parser["supervisorctl"]
    transport = SupervisorTransport(section["username"], section["password"], section["serverurl"])
    return ServerProxy("http://127.0.0.1", transport=transport)  # the address is never used; the transport has the socket


class Supervisor:
    """One running supervisord."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._ending = False
        write_configuration(programs)
        # A session of its own: Ctrl-C reaches `make run`, which then stops everything in good order.
        with OUTPUT.open("wb") as output:
            self.process = subprocess.Popen(
                tethered(sys.executable, "-m", "supervisor.supervisord", "-c", CONFIGURATION, hold=PROGRAMS_LOCK),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def runs(self) -> bool:
        return self.process.poll() is None

    def states(self) -> dict[str, str]:
        """Program to state, `RUNNING`, `STARTING`, `BACKOFF`, `FATAL` …; empty while supervisord can't be asked."""
        try:
            return {info["name"]: info["statename"] for info in control().supervisor.getAllProcessInfo()}
        except UNREACHABLE:
            return {}

    def stop(self) -> None:
        """One step towards the end; call it until `runs()` says no. The broker stops last: what the others hold goes back to it.

        supervisord alone would stop one program after the other and look once a second whether it is done. So the programs are
        asked here, all at once, and each question wakes it.
        """
        states = {name: state for name, state in self.states().items() if name != "broker" and state not in ENDED}
        for name in (name for name, state in states.items() if state != "STOPPING"):
            with suppress(*UNREACHABLE):  # it ended meanwhile
                control().supervisor.stopProcess(name, False)
        if not states and not self._ending and self.runs():  # none is left, or supervisord is on its way up and can't be asked
            self._ending = True
            self.process.terminate()

    def kill(self) -> None:
        """At once: the tethers end what it leaves."""
        if self.runs():
            self.process.kill()
