"""The processes of a run: started on tethers, so they always end with it; killed, stopped and started again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from config.env import ROOT
from config.runner.broker_server import TETHER, tethered

#: Seconds until an ended process is started again, at least and at most.
AGAIN = (0.1, 1.0)
#: Seconds that processes get for an orderly end.
PATIENCE = 15.0


@dataclass
class Member:
    """A process. `kept`: it is started again when it ends. `doomed`: it was told to end. `held`: it isn't started for now."""

    name: str
    command: list[str]
    kept: bool = True
    process: subprocess.Popen[bytes] | None = None
    doomed: bool = False
    held: bool = False
    start_at: float = 0.0
    started_at: float = 0.0


@dataclass
class Fleet:
    """All processes by name. `unasked`: those that ended by themselves, with their exit codes."""

    environment: dict[str, str]
    logs: Path
    chance: random.Random = field(default_factory=random.Random)
    members: dict[str, Member] = field(default_factory=dict)
    unasked: list[tuple[str, int]] = field(default_factory=list)

    def add(self, name: str, command: Sequence[str], *, kept: bool = True) -> Member:
        """Start a process; its output goes to its own log."""
        member = self.members[name] = Member(name, list(command), kept)
        self._start(member)
        return member

    def run(self, name: str, *arguments: str, timeout: float) -> tuple[int, str]:
        """Run one of the project's commands to its end; return its exit code and its output."""
        member = self.add(name, [sys.executable, str(ROOT / "manage.py"), *arguments], kept=False)
        limit = time.monotonic() + timeout
        while self.runs(name) and time.monotonic() < limit:
            time.sleep(0.05)
        if self.runs(name):
            self.kill(name)
        assert member.process is not None
        return member.process.wait(), self.log(name).read_text(errors="replace")

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def runs(self, name: str) -> bool:
        member = self.members.get(name)
        return member is not None and member.process is not None and member.process.poll() is None

    def keep(self) -> None:
        """Start again what ended and should run."""
        now = time.monotonic()
        for member in list(self.members.values()):
            if member.process is None or member.process.poll() is None:
                continue
            if member.kept and not member.start_at:
                if not member.doomed and member.process.returncode != -signal.SIGKILL:
                    self.unasked.append((member.name, member.process.returncode))
                member.start_at = now + self.chance.uniform(*AGAIN)
            if member.kept and not member.held and member.start_at <= now:
                self._start(member)

    def kill(self, name: str, whom: str = "whole") -> str:
        """Send SIGKILL: to the `whole` family at once, like a crash of the machine; to a `child`; or only to the `parent`."""
        family = self.family(name)
        if not family:
            return "it was down"
        if whom == "child" and len(family) > 1:
            family[1].kill()
            return f"child {family[1].pid}"
        with suppress(ProcessLookupError):
            if whom == "parent":
                os.kill(family[0].pid, signal.SIGKILL)
            else:
                os.killpg(family[0].pid, signal.SIGKILL)
        return f"{whom} {family[0].pid}" if whom != "whole" else f"pid {family[0].pid}"

    def terminate(self, name: str) -> str:
        """Send SIGTERM: it ends in order, and is started again."""
        member, family = self.members[name], self.family(name)
        if not family:
            return "it was down"
        member.doomed = True
        with suppress(psutil.NoSuchProcess):
            family[0].terminate()
        return f"pid {family[0].pid}"

    def stop(self, name: str) -> str:
        """Send SIGSTOP to the process and its children. Their tether keeps watching."""
        family = self.family(name)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        return f"pid {family[0].pid}" if family else "it was down"

    def resume(self, name: str) -> None:
        for one in self.family(name):
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def hold(self, name: str) -> None:
        """Kill it, and don't start it again until `release`."""
        self.members[name].held = True
        self.kill(name)

    def release(self, name: str) -> None:
        self.members[name].held = False

    def family(self, name: str) -> list[psutil.Process]:
        """Return the process and its children, without the tether's guard; empty if it doesn't run."""
        if not self.runs(name):
            return []
        process = self.members[name].process
        assert process is not None
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(process.pid)
            return [head, *(child for child in head.children(recursive=True) if not _guard(child))]
        return []

    def end(self, *names: str) -> None:
        """End these processes, by default all: by SIGTERM first, after a while by SIGKILL."""
        members = [self.members[name] for name in names or self.members]
        for member in members:
            member.kept, member.doomed = False, True
            self.resume(member.name)
            self.terminate(member.name)
        limit = time.monotonic() + PATIENCE
        while any(self.runs(member.name) for member in members) and time.monotonic() < limit:
            time.sleep(0.05)
        for member in members:
            self.kill(member.name)
            if member.process is not None:
                assert member.process.stdin is not None
                member.process.stdin.close()
                member.process.wait()

    def _start(self, member: Member) -> None:
        if member.process is not None and member.process.stdin is not None:
            member.process.stdin.close()
        with self.log(member.name).open("ab") as log:
            member.process = subprocess.Popen(
                tethered(*member.command),
                cwd=ROOT,
                env={**self.environment, "CHAOS_NAME": member.name},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        member.doomed, member.start_at, member.started_at = False, 0.0, time.monotonic()


def _guard(process: psutil.Process) -> bool:
    """Return True if this is a tether's guard, which must not be stopped because it ends the process that it watches."""
    with suppress(psutil.Error):
        return str(TETHER) in process.cmdline()
    return True
