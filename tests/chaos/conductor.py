"""Runs once: start everything, follow the plan, stop all faults, wait for the recovery, and check the result."""

import random
import shutil
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

from config.env import ROOT
from tests.chaos import verdict, watch
from tests.chaos.commands import Commands, Done
from tests.chaos.databases import Databases
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet
from tests.chaos.plan import COMMANDS, WRITERS, Fault, losing_until, schedule

#: Seconds for the recovery, and for a command of the preparation.
SETTLING, PREPARING = 60.0, 120.0
#: Seconds between two checks.
LOOK = 0.05
#: Seconds between two looks at a copy after a side was set back, and how long its claims are compared with its rows.
ATTENDED, WATCHED = 1.5, 60.0
#: Seconds from the last fault that loses messages until none may be lost: then no program has an earlier message.
MARGIN = 2.0


@dataclass
class Entry:
    """A line of the log of faults."""

    at: float
    fault: str
    target: str
    note: str


@dataclass
class Outcome:
    """The result of a run. `checks`: by claim, the objections. `unasked`: processes that ended by themselves."""

    seed: int
    seconds: float
    engine: str
    faults: list[Entry] = field(default_factory=list)
    commands: list[Done] = field(default_factory=list)
    checks: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    unasked: dict[str, int] = field(default_factory=dict)
    settled_seconds: float = 0.0

    @property
    def converged(self) -> bool:
        return bool(self.checks) and not any(self.checks.values())

    def as_dict(self) -> dict[str, Any]:
        return {"verdict": "converged" if self.converged else "not converged", **asdict(self)}


class Unready(Exception):
    """The system didn't start before any fault; the message says what failed."""


class Conductor:
    """Leads a run; `progress` receives a line from time to time."""

    def __init__(
        self,
        outcome: Outcome,
        folder: Path,
        urls: dict[str, str],
        environment: dict[str, str],
        progress: Callable[[float, str], None],
    ) -> None:
        self.outcome = outcome
        self.folder = folder
        self.environment = environment
        self.progress = progress
        self.databases = Databases(folder, urls)
        logs = folder / "logs"
        logs.mkdir(parents=True)
        self.fleet = Fleet(environment, logs, random.Random(outcome.seed))
        self.faults = Faults(self.fleet, self.databases)
        self.commands = Commands(self.fleet, self.databases, time.monotonic())
        self.losing_ended = self.looked = 0.0
        self.wrong_clocks: list[tuple[float, float]] = []
        self.untrue: list[str] = []

    def run(self) -> None:
        try:
            self._prepare()
            self._torture()
            self._settle()
        finally:
            self.commands.stopping = True
            self.fleet.end()
            self.databases.forget_backups()
            self.outcome.commands = self.commands.done
            self.outcome.unasked = dict(Counter(f"{name} ({code})" for name, code in self.fleet.unasked))

    def _prepare(self) -> None:
        from config.runner.preflight import check_folder
        from config.runner.programs import programs

        check_folder()
        port = int(self.environment["PORT"])
        kept = {program.name: program.command for program in programs(["users", "billing"], port)}
        self.fleet.add("broker", kept.pop("broker"))
        python = [sys.executable, "-m"]
        self._must("migrate", [*python, "tests.chaos.prepare", "migrate"])
        watch.install(self.databases)
        self._must("fill", [*python, "tests.chaos.prepare", "fill"])
        self.fleet.add("web", kept.pop("web"))
        self._wait(lambda: _answers(f"http://127.0.0.1:{port}/api/users/contracts/"), "the web server")
        for consumer, authority in verdict.PAIRS:
            command = [sys.executable, str(ROOT / "manage.py"), "bootstrap", consumer, "--from", authority]
            self._must(f"first-bootstrap-{consumer}", command)
        for name, command in kept.items():
            self.fleet.add(name, command)
        for name in WRITERS:
            self.fleet.add(name, [*python, "tests.chaos.writer", name, str(self.outcome.seed), str(self.folder / "chaos")])

    def _must(self, name: str, command: list[str]) -> None:
        """Run a step of the preparation, which must succeed."""
        member = self.fleet.add(name, command, kept=False)
        self._wait(lambda: not self.fleet.runs(name), name)
        assert member.process is not None
        if member.process.returncode:
            said = self.fleet.log(name).read_text(errors="replace").strip()
            raise Unready(f"{name} ended with {member.process.returncode}: {said[-1500:]}")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + PREPARING
        while not condition():
            if time.monotonic() > limit:
                raise Unready(f"{what} wasn't ready within {PREPARING:.0f} s.")
            time.sleep(LOOK)

    def _torture(self) -> None:
        seconds = self.outcome.seconds
        began = self.commands.began = time.monotonic()
        plan = schedule(self.outcome.seed, seconds, self.databases.engine)
        now = time.time()
        # A head from the future counts from its receipt, so a program that only receives heads can't make one more recent.
        self.wrong_clocks = [
            (now + fault.at, now + fault.at + fault.seconds)
            for fault in plan
            if fault.kind == "clock" and fault.target in ("relay-users", "web") and float(fault.how) > 0
        ]
        # (when, order, what): a fault begins; one that lasts adds its end here.
        todo: list[tuple[float, int, bool, Fault]] = [(fault.at, number, True, fault) for number, fault in enumerate(plan)]
        heapify(todo)
        number, turn = len(todo), losing_until(seconds)
        while (now := time.monotonic() - began) < seconds:
            while todo and todo[0][0] <= now:
                _, _, begins, fault = heappop(todo)
                if begins:
                    self._begin(fault, now)
                    if fault.seconds:
                        number += 1
                        heappush(todo, (fault.at + fault.seconds, number, False, fault))
                else:
                    self._end(fault, now)
            if not self.losing_ended and now >= turn:
                self.losing_ended = time.time() + MARGIN
            self.fleet.keep()
            self._attend()
            self.progress(now, f"{len(self.outcome.faults)} faults")
            time.sleep(LOOK)
        for _, _, begins, fault in sorted(todo):
            if not begins:
                self._end(fault, seconds)

    def _begin(self, fault: Fault, now: float) -> None:
        if fault.kind in COMMANDS:
            note = self.commands.start(fault.kind)
        else:
            try:
                note = self.faults.begin(fault)
            except self.databases.errors as error:
                note = f"not done: {type(error).__name__}"
        self.outcome.faults.append(Entry(round(now, 1), fault.kind, fault.target, note))

    def _end(self, fault: Fault, now: float) -> None:
        note = self.faults.end(fault)
        if note:
            self.outcome.faults.append(Entry(round(now, 1), f"{fault.kind}, end", fault.target, note))
        if fault.kind == "set back" and note:
            self.commands.put_right()

    def _attend(self) -> None:
        """After a side was set back, check from time to time that the copy's claims are true. A person also checks if it is
        doubtful, because old messages may arrive after the repair."""
        if self.databases.losses and time.monotonic() - self.looked > ATTENDED:
            self.looked = time.monotonic()
            if time.time() - self.databases.losses[-1].over < WATCHED:
                self.untrue += self._asked(lambda: verdict.copy_was_fresh(self.databases, self.wrong_clocks), [])
            if not self.commands.putting_right() and self._asked(lambda: verdict.in_doubt(self.databases), []):
                self.commands.put_right()

    def _settle(self) -> None:
        """Stop the faults and the writers; everything else runs."""
        (self.folder / "chaos").mkdir(exist_ok=True)
        (self.folder / "chaos" / "stop").touch()
        for name in WRITERS:
            self.fleet.members[name].kept = False
            self.fleet.resume(name)
        began = time.monotonic()
        # By itself, without a person: the copies are equal, and events recorded while none could be lost have arrived.
        self._until(began + SETTLING, lambda: not (self._unsettled() or self._writing()))
        late = self._asked(lambda: verdict.late(self.databases, self.losing_ended), ["the databases don't answer"])
        self.outcome.checks["what was recorded while nothing could be lost has arrived by itself"] = late
        self.outcome.settled_seconds = round(time.monotonic() - began, 1)
        for claim, check in {**verdict.SETTLES, **verdict.HOLDS}.items():
            self.outcome.checks[claim] = check(self.databases)
        decided, wrong = verdict.invoices_were_fresh(self.databases, self.wrong_clocks)
        self.outcome.checks["no invoice called a copy fresh that wasn't"] = wrong
        self.outcome.checks["nor did the copy itself, after a side was set back"] = self.untrue
        pairs = [(consumer, "--from", authority) for consumer, authority in verdict.PAIRS]
        said = [self.commands.once("compare", "reconcile", *pair, "--json") for pair in pairs]
        wrong = [f"exit code {done.code}: {done.said[-400:]}" for done in said if done.code]
        self.outcome.checks["reconcile says so too"] = wrong
        self._count(decided)

    def _writing(self) -> bool:
        return any(map(self.fleet.runs, WRITERS)) or self.commands.busy()

    def _unsettled(self) -> bool:
        """Return True if something hasn't recovered yet."""
        if any(self._asked(partial(check, self.databases), ["?"]) for check in verdict.SETTLES.values()):
            return True
        return bool(self._asked(lambda: verdict.late(self.databases, self.losing_ended), ["?"]))

    def _asked(self, question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except self.databases.errors:
            return otherwise

    def _until(self, limit: float, condition: Callable[[], bool]) -> None:
        while not condition() and time.monotonic() < limit:
            for _ in range(10):
                self.fleet.keep()
                time.sleep(LOOK)
            self._attend()
            self.progress(self.outcome.seconds, "waiting for the recovery")

    def _count(self, decided: int) -> None:
        one = lambda context, query: (self.databases.rows(context, query) or [(0,)])[0]  # noqa: E731
        applied, duplicate, obsolete = one("billing", "SELECT applied, duplicate, obsolete FROM messaging_subscription")
        self.outcome.counts = {
            "users": one("users", "SELECT count(*) FROM messaging_ledger")[0],
            "changes": int(one("users", "SELECT sum(version) FROM messaging_ledger")[0] or 0),
            "events": sum(one(context, "SELECT count(*) FROM chaos_events")[0] for context in ("users", "billing")),
            "invoices": one("billing", "SELECT count(*) FROM billing_invoice")[0],
            "invoices by a fresh copy": decided,
            "overdue": len(verdict.events(self.databases, "billing", verdict.OVERDUE)),
            "erased": one("users", "SELECT count(*) FROM chaos_erased")[0],
            "applied": applied,
            "duplicate": duplicate,
            "obsolete": obsolete,
        }


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
