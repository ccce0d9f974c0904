"""The lab's process switches: the supervised programs that the page may stop, start and kill."""

from dataclasses import dataclass

from walkthrough.control import broker, processes


@dataclass(frozen=True)
class Process:
    """A program, what it does, and supervisord's state of it; `not supervised` if there is no supervisord."""

    name: str
    does: str
    state: str

    @property
    def runs(self) -> bool:
        return self.state == "RUNNING"

    @property
    def word(self) -> str:
        return self.state.lower()


SWITCHABLE = {
    "relay-users": "sends the events of the users context",
    "worker-billing": "applies these events to billing's copy",
    "tend-billing": "pulls missing changes, and compares the copy with its authority",
    "relay-billing": "sends billing's events",
    "worker-users": "suspends users with overdue invoices",
    "broker": "holds the queues",
}


def listed() -> list[Process]:
    """The switchable programs that exist here: an external broker can't be stopped."""
    try:
        known = processes.states()
    except processes.SystemNotRunning:
        return [Process(name, does, "not supervised") for name, does in SWITCHABLE.items() if name != "broker" or broker.embedded()]
    return [Process(name, does, known[name]) for name, does in SWITCHABLE.items() if name in known]


def act(name: str, what: str) -> str:
    """Stop, start or kill one; returns what was done, as a sentence. Raises `KeyError` for an unknown program or act."""
    if name not in SWITCHABLE:
        raise KeyError(name)
    if what == "stop":
        processes.stop(name)
        return f"{name} is stopped."
    if what == "start":
        processes.start(name)
        return f"{name} runs again."
    if what == "kill":
        return f"{name} (process {processes.kill(name)}) was killed. supervisord restarts it."
    raise KeyError(what)


def start_all() -> None:
    """Start everything that the lab can stop."""
    processes.start(*(process.name for process in listed() if not process.runs))
