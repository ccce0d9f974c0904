"""Runs supervisord on a tether, controls it over its socket, and stops it in an orderly way."""

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
#: States of a program without a process, which supervisord doesn't start again.
ENDED = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
#: Errors of a request while supervisord starts or stops, or if it refuses.
UNREACHABLE = (OSError, HTTPException, Error, KeyError)


def log_of(name: str) -> Path:
    """Return the path of a program's log."""
    return LOG / f"{name}.log"


def control(configuration: Path = CONFIGURATION) -> Any:
    """Return supervisord's XML-RPC interface, for any process: `control().supervisor.stopProcess("relay-users")`."""
    parser = configparser.RawConfigParser()
    parser.read(configuration, encoding="utf-8")
    section = parser["supervisorctl"]
    transport = SupervisorTransport(section["username"], section["password"], section["serverurl"])
    return ServerProxy("http://127.0.0.1", transport=transport)  # the transport uses the socket instead of this address


class Supervisor:
    """A running supervisord."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self._ending = False
        write_configuration(programs)
        # In its own session Ctrl-C reaches only `make run`, which then stops everything in order.
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
        """Return each program's state: `RUNNING`, `STARTING`, `BACKOFF`, `FATAL` …; empty while supervisord doesn't answer."""
        try:
            return {info["name"]: info["statename"] for info in control().supervisor.getAllProcessInfo()}
        except UNREACHABLE:
            return {}

    def stop(self) -> None:
        """Take one step of stopping; call it until `runs()` returns False. The broker stops last, because it gets messages back.

        By itself, supervisord would stop one program after the other and check once a second. So this stops all programs at once,
        and each request wakes supervisord.
        """
        states = {name: state for name, state in self.states().items() if name != "broker" and state not in ENDED}
        for name in (name for name, state in states.items() if state != "STOPPING"):
            with suppress(*UNREACHABLE):  # it ended meanwhile
                control().supervisor.stopProcess(name, False)
        if not states and not self._ending and self.runs():  # none is left, or supervisord is starting and doesn't answer
            self._ending = True
            self.process.terminate()

    def kill(self) -> None:
        """Stop supervisord at once. The tethers end its programs."""
        if self.runs():
            self.process.kill()
