"""The faults: how each begins and ends. All of them are real: signals to real processes, a broker that loses its data, connections
that the server cuts, databases that are set back to a backup, deliveries that the relay drops."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import psutil
import redis

from config.broker import socket_path
from tests.chaos.databases import Databases
from tests.chaos.fleet import Fleet
from tests.chaos.inside import Switch
from tests.chaos.plan import Fault
from walkthrough.control import crash_points
from walkthrough.control import faults as lab

#: Seconds in which a program may finish a write.
PAUSE = 0.02
#: The lab's switches, by the plan's names.
SWITCHES = {"drop": "drop", "delay": "delay", "reorder": "reorder", "duplicate": "duplicate", "forget": "publisher_bug"}


class Faults:
    """Begins and ends faults; `begin` returns the outcome for the log."""

    def __init__(self, fleet: Fleet, databases: Databases) -> None:
        self.fleet = fleet
        self.databases = databases
        self.bomb: Fault | None = None
        self.kept: set[Fault] = set()

    def begin(self, fault: Fault) -> str:
        if fault.kind in SWITCHES:
            lab.switch(SWITCHES[fault.kind], True)
            return f"{fault.seconds:.1f} s"
        return getattr(self, f"_{fault.kind.replace(' ', '_')}")(fault)

    def end(self, fault: Fault) -> str:
        """End a fault; return its outcome if it is worth a line."""
        if fault.kind in SWITCHES:
            lab.switch(SWITCHES[fault.kind], False)
        elif fault.kind == "stop":
            self.fleet.resume(fault.target)
        elif fault.kind == "clock":
            Switch("clock", fault.target).remove()
        elif fault.kind == "disk full":
            Switch("full", fault.target).remove()
        elif fault.kind == "read only":
            self.databases.read_only(fault.target, False)
        elif fault.kind == "broker full":
            return self._limit(0)
        elif fault.kind == "set back":
            return self._put_back(fault)
        elif fault.kind == "bomb":
            if self.bomb is not fault:
                return ""
            pid, self.bomb = crash_points.went_off(), None
            crash_points.defuse()
            return f"went off in {pid}" if pid else "no process reached it"
        elif fault.kind == "away":
            said = self._flush(fault)
            for name in _of(fault.target):
                self.fleet.release(name)
            return f"back; the broker {said}"
        return ""

    def _kill(self, fault: Fault) -> str:
        if fault.target == "command":
            running = [
                member.name for member in list(self.fleet.members.values()) if not member.kept and self.fleet.runs(member.name)
            ]
            return f"{running[-1]}, {self.fleet.kill(running[-1])}" if running else "none was running"
        return self.fleet.kill(fault.target, fault.how)

    def _stop(self, fault: Fault) -> str:
        return f"{self.fleet.stop(fault.target)}, {fault.seconds:.1f} s"

    def _bomb(self, fault: Fault) -> str:
        if self.bomb is not None and crash_points.went_off() == 0:
            return "not planted: there is one"
        program, _, context = fault.target.partition("-")
        crash_points.plant(fault.how, program, context)
        self.bomb = fault
        return f"at {fault.how}"

    def _broker_killed(self, fault: Fault) -> str:
        return self.fleet.kill("broker")

    def _broker_restarted(self, fault: Fault) -> str:
        return self.fleet.terminate("broker")

    def _broker_full(self, fault: Fault) -> str:
        if any(process.status() == psutil.STATUS_STOPPED for process in self.fleet.family("broker")):
            return "not done: it is stopped, and would notice too late"
        return self._limit(1) or f"{fault.seconds:.1f} s"

    def _limit(self, memory: int) -> str:
        """Set the size from which the broker refuses messages. A broker that restarts has none."""
        try:
            with redis.Redis(unix_socket_path=str(socket_path()), socket_timeout=1) as client:
                client.config_set("maxmemory", memory)
        except redis.RedisError as error:
            return f"didn't answer ({type(error).__name__})"
        return ""

    def _flush(self, fault: Fault) -> str:
        try:
            with redis.Redis(unix_socket_path=str(socket_path()), socket_timeout=1) as client:
                held = sum(client.llen(name) for name in ("users", "billing", "users.fetching", "billing.fetching"))
                client.flushall()
        except redis.RedisError as error:
            return f"didn't answer ({type(error).__name__})"
        return f"lost {held} messages"

    def _cut(self, fault: Fault) -> str:
        return f"{self.databases.cut(fault.target, half=fault.how == 'half')} connections"

    def _clock(self, fault: Fault) -> str:
        Switch("clock", fault.target).write(fault.how)
        return f"{float(fault.how):+.0f} s for {fault.seconds:.1f} s"

    def _disk_full(self, fault: Fault) -> str:
        Switch("full", fault.target).write("1")
        return f"{fault.seconds:.1f} s"

    def _read_only(self, fault: Fault) -> str:
        return f"{self.databases.read_only(fault.target, True)} connections cut, {fault.seconds:.1f} s"

    def _set_back(self, fault: Fault) -> str:
        self.databases.back_up(fault.target)
        self.kept.add(fault)
        return f"a backup of it, put back after {fault.seconds:.1f} s"

    def _put_back(self, fault: Fault) -> str:
        if fault not in self.kept:
            return ""
        with self._at_rest(fault.target) if self.databases.engine == "sqlite" else nullcontext():
            loss = self.databases.put_back(fault.target)
        return f"to {loss.over - loss.taken:.1f} s before"

    @contextmanager
    def _at_rest(self, context: str) -> Iterator[None]:
        """Stop all programs, none of them during a write, because a stopped one would keep SQLite's lock."""
        names = list(self.fleet.members)
        while True:
            for name in names:
                self.fleet.stop(name)
            try:
                if self.databases.free(context):
                    yield
                    return
            finally:
                for name in names:
                    self.fleet.resume(name)
            time.sleep(PAUSE)

    def _away(self, fault: Fault) -> str:
        for name in _of(fault.target):
            self.fleet.hold(name)
        return f"worker and tend down for {fault.seconds:.0f} s"


def _of(context: str) -> tuple[str, ...]:
    return f"worker-{context}", f"tend-{context}"
