"""The project's commands as people and timers run them, each in its own thread, which waits for its process."""

import itertools
import threading
import time
from dataclasses import dataclass, field

from tests.chaos.databases import Databases
from tests.chaos.fleet import Fleet
from tests.chaos.plan import PURGED_AFTER

#: The most seconds that a command may take.
PATIENCE = 60.0
#: Seconds until a person reacts.
THOUGHT = 3.0
LINES = {
    "bootstrap": ("bootstrap", "billing", "--from", "users", "--page-size", "200", "--json"),
    "reconcile": ("reconcile", "billing", "--from", "users", "--repair", "--json"),
    "catch_up": ("catch_up", "billing", "--from", "users", "--json"),
    "purge": ("purge", "users", "--older-than", f"{PURGED_AFTER}s", "--json"),
    "republish": ("republish", "users", "--json"),
}
#: The changes that `bootstrap` makes to a copy that must begin again.
ANEW = (
    "UPDATE messaging_subscription SET state = 'new', checkpoint = 0, ahead = '[]', bootstrap_head = NULL "
    "WHERE authority = 'users'",
)


@dataclass
class Done:
    """An ended command: its exit code (-9: killed), and if it ended by an uncaught error."""

    at: float
    name: str
    code: int
    seconds: float
    traceback: bool
    said: str


@dataclass
class Commands:
    """Runs commands during the run; `done` has their results."""

    fleet: Fleet
    databases: Databases
    began: float
    done: list[Done] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._threads: list[threading.Thread] = []
        self._bootstrapping = threading.Lock()
        self._called = threading.Event()
        self._person: threading.Thread | None = None

    def start(self, name: str) -> str:
        """Start a command, and don't wait for it."""
        if name == "bootstrap" and self._bootstrapping.locked():
            return "one is still running"
        work = self._bootstrap if name == "bootstrap" else lambda: self.once(name, *LINES[name])
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return " ".join(LINES[name][1:-1])

    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def once(self, name: str, *arguments: str) -> Done:
        """Run a command to its end."""
        return self._ran(name, *arguments)[0]

    def _ran(self, name: str, *arguments: str) -> tuple[Done, str]:
        """Run a command to its end, and return its output too."""
        began = time.monotonic()
        code, said = self.fleet.run(f"{name}-{next(self._numbers)}", *arguments, timeout=PATIENCE)
        took = round(time.monotonic() - began, 1)
        done = Done(round(began - self.began, 1), name, code, took, "Traceback (most" in said, said[-2000:])
        self.done.append(done)
        return done, said

    def put_right(self) -> None:
        """After a side was set back, or while the copy is doubtful: do what docs/production.md says until nothing differs."""
        self._called.set()
        if not self.putting_right():
            self._person = threading.Thread(target=self._put_right, name="person", daemon=True)
            self._threads.append(self._person)
            self._person.start()

    def putting_right(self) -> bool:
        return self._person is not None and self._person.is_alive()

    def _put_right(self) -> None:
        while self._called.is_set() and not self.stopping:
            time.sleep(THOUGHT)
            self._called.clear()
            if not self._equal_again():
                self._called.set()

    def _equal_again(self) -> bool:
        """Do the steps once; return True if nothing differs after them."""
        invoices, _ = self._repaired("users", "billing")
        compared, said = self._repaired("billing", "users")
        printed = [line for line in said.splitlines() if line.startswith("{")]  # without its messages
        if compared.code == 1 and printed:
            file = self.fleet.logs / "erased.json"
            file.write_text(printed[-1])
            self.once("erase-again", "erase_again", "users", "--from", str(file), "--json")
        try:
            ((state,),) = self.databases.rows("billing", "SELECT state FROM messaging_subscription WHERE authority = 'users'")
        except self.databases.errors:
            return False  # billing's database doesn't answer just now
        if state != "live" and not self._bootstrapping.locked():
            self._filled()
        return invoices.code == compared.code == 0 and state == "live"

    def _repaired(self, consumer: str, authority: str) -> tuple[Done, str]:
        """Repair a copy, and compare it. An authority that was set back is right, whatever the copy has."""
        pair, lost = (consumer, "--from", authority), any(loss.context == authority for loss in self.databases.losses)
        self.once("repair", "reconcile", *pair, "--repair", *(["--authority-wins"] if lost else []), "--json")
        return self._ran("compare", "reconcile", *pair, "--json")

    def _bootstrap(self) -> None:
        """Bootstrap billing a second time, from the beginning, again until it succeeds."""
        with self._bootstrapping:
            self._open()
            try:
                self.databases.execute("billing", ANEW)
            except self.databases.errors:
                return  # billing's database doesn't answer just now
            while not self.stopping and not self._filled():
                time.sleep(0.3)

    def _filled(self) -> bool:
        """Bootstrap once. A late report that billing is live, sent before its copy was reset, closes the grant; and a backup of
        billing may be from before the bootstrap's end. Then do what the refusal says."""
        done = self.once("bootstrap", *LINES["bootstrap"])
        if done.code and "open one: manage.py consumers open billing" in done.said:
            self._open()
        return done.code == 0

    def _open(self) -> None:
        self.once("consumers", "consumers", "open", "billing", "--to", "users", "--json")
