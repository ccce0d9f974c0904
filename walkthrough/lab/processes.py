"""The lab's process switches: the supervised programs that may be stopped, started and killed from the page."""

from dataclasses import dataclass

from walkthrough.control import broker, processes


@dataclass(frozen=True)
class Process:
    """A program, what it does, and its state as supervisord says it; `away` where there is no supervisord."""

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
    "relay-users": "sends users' events to the queues",
    "worker-billing": "takes them, and moves billing's copy",
    "tend-billing": "pulls what never arrived, compares now and then",
    "relay-billing": "sends billing's events",
    "worker-users": "takes them: an overdue invoice suspends",
    "broker": "keeps the queues",
}


def listed() -> list[Process]:
    """Those of the switchable programs that there are: a broker elsewhere isn't ours to stop."""
    try:
        known = processes.states()
    except processes.SystemNotRunning:
        return [Process(name, does, "away") for name, does in SWITCHABLE.items() if name != "broker" or broker.embedded()]
    return [Process(name, does, known[name]) for name, does in SWITCHABLE.items() if name in known]


def act(name: str, what: str) -> str:
    """stop, start or kill one; returns what was done, in a sentence. `KeyError` for a program or an act that there isn't."""
    if name not in SWITCHABLE:
        raise KeyError(name)
    if what == "stop":
        processes.stop(name)
        return f"{name} is stopped."
    if what == "start":
        processes.start(name)
        return f"{name} runs again."
    if what == "kill":
        return f"{name} (process {processes.kill(name)}) is killed. supervisord starts it again."
    raise KeyError(what)


def start_all() -> None:
    """Everything that the lab can stop runs again."""
    processes.start(*(process.name for process in listed() if not process.runs))
