"""supervisord as a child of `make run`: started on a tether, asked over its control socket, stopped in good order."""

import configparser
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from config.embedded import tethered
from config.environment import ROOT, VAR
from config.preflight import PROGRAMS_LOCK
from config.programs import CONFIGURATION, Program, write_configuration

LOG = VAR / "log"
OUTPUT = LOG / "supervisord.out"


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
        self.programs = programs
        write_configuration(programs)
        # A session of its own: Ctrl-C reaches `make run`, which then stops everything in good order.
        with OUTPUT.open("wb") as output:
            self.process = subprocess.Popen(
                tethered(sys.executable, "-m", "supervisor.supervisord", "-c", CONFIGURATION, hold=PROGRAMS_LOCK),
                cwd=ROOT,
                env={**os.environ, "VAR_DIR": str(VAR), "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "config.settings"},
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
        except (OSError, Fault, KeyError):
            return {}

    def stop(self) -> None:
        """Begin to stop everything; the broker last, because the others hand their messages back to it.

        supervisord stops one program after the other, so the others are asked first, all at once.
        """
        try:
            supervisor = control().supervisor
            for program in self.programs:
                if program.name != "broker":
                    self._ask_to_stop(supervisor, program.name)
        except (OSError, KeyError):  # it is on its way up or down
            pass
        if self.runs():
            self.process.terminate()

    def kill(self) -> None:
        """At once: the tethers end what it leaves."""
        if self.runs():
            self.process.kill()

    @staticmethod
    def _ask_to_stop(supervisor: Any, name: str) -> None:
        try:
            supervisor.stopProcess(name, False)
        except Fault:  # it isn't running
            return
