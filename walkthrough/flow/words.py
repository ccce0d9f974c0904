"""What the picture writes on each part. Each caption has shorter forms for small pictures, the longest first."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from messaging.models import Subscription
from walkthrough.flow.counted import number_of
from walkthrough.flow.programs import Program, clock
from walkthrough.flow.shapes import Shape
from walkthrough.flow.state import State
from walkthrough.observe.side_by_side import MOST_COUNTED

Forms = tuple[str, ...]
#: Heartbeats come every few seconds. A copy that wasn't confirmed for so long is shown as old.
OLD_SECONDS = 30
#: No line breaks between a number and its unit.
SPACE = "\u00a0"


@dataclass(frozen=True)
class Label:
    """`look`: calm, open (amber), bad (red), doubt, or a program's. `more`: the copy's second line. `below`: when it stopped."""

    figure: str
    look: str
    caption: Forms
    more: Forms = ()
    below: Forms = ()
    more_look: str = "calm"

    def said(self, name: str) -> str:
        """The whole label as a sentence for screen readers."""
        parts = (self.figure, self.caption[0], *self.more[:1], *self.below[:1])
        return f"{name}: {', '.join(filter(None, parts))}"


def labels(state: State, shape: Shape) -> dict[str, Label]:
    """The labels of a shape's parts."""
    found = {key: _LABELS[key](state) for key in shape.parts}
    if shape.versions and state.versions and state.queue.waiting is not None:
        found["queue"] = replace(found["queue"], figure=" ".join(state.versions))
    return found


def feed_words(state: State) -> tuple[Forms, str]:
    """What the feed does, and its look."""
    tend, missing = state.programs.tend, figure(state.copy.holes)
    if tend.look == "down":
        return ("tend is stopped", "stopped"), "open" if state.copy.holes else "calm"
    if tend.word == "no answer":
        return ("users doesn't answer", "no answer"), "open"
    if state.copy.holes:
        return (f"{missing} missing: tend pulls them", f"{missing} missing"), "act"
    if state.ledger.head > state.copy.checkpoint:
        return ("no news of anything missing", "no news"), "calm"
    return ("nothing is missing", "no gaps"), "calm"


def figure(number: int) -> str:
    """A number of at most nine characters: 1,204, 12.3 M, and 1,000+ for a count that stopped."""
    return f"{number / 1e6:,.2f} M" if number >= 1e6 else f"{number:,}"


def counted(number: int) -> str:
    """A count that stops at `MOST_COUNTED`."""
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else f"{number:,}"


def span(seconds: float) -> str:
    """A length of time, as short as possible: 40 ms, 1.2 s, 12 s, 3 min, 2 h, 5 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{SPACE}{unit}"
    if seconds < 1 and seconds != int(seconds):
        return f"{seconds * 1000:.0f}{SPACE}ms"
    return f"{seconds:.0f}{SPACE}s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f}{SPACE}s"


def _outbox(state: State) -> Label:
    waiting, relay = counted(state.outbox.waiting), state.programs.relay
    if state.outbox.failed:
        failed = counted(state.outbox.failed)
        return Label(waiting, "bad", (f"{failed} can't be sent", f"{failed} failed"))
    if not state.outbox.waiting:
        return Label(waiting, "calm", ("nothing waits", "empty"))
    if relay.look == "down":
        return Label(waiting, "open", ("waiting; nobody sends them", "nobody sends", "waiting"))
    if relay.look == "busy":
        return Label(waiting, "open", ("waiting for the broker", "waiting"))
    return Label(waiting, "calm", ("waiting to be sent", "waiting"))


def _ledger(state: State) -> Label:
    head, silent = figure(state.ledger.head), state.ledger.silent
    if silent:
        words = f"{counted(silent)} change{'' if silent == 1 else 's'} without an event"
        return Label(head, "open", (words, f"{counted(silent)} without event", f"{counted(silent)} silent"))
    return Label(head, "calm", ("every change has its event", "no gaps") if state.ledger.head else ("no change yet", "empty"))


def _rows(state: State) -> Label:
    words = ("the truth; newest changes shown", "the truth") if state.rows else ("no users yet",)
    return Label(figure(state.rows), "calm", words)


def _queue(state: State) -> Label:
    queue = state.queue
    if queue.waiting is None:
        since = (f"since {clock(queue.since)}", clock(queue.since)) if queue.since else ()
        return Label("away", "bad", ("the broker is away", "no broker"), below=since)
    number = figure(queue.waiting)
    if queue.full:
        return Label(number, "bad", ("the broker is full", "full"))
    if not queue.waiting:
        return Label(number, "calm", ("empty",))
    held = state.programs.worker.look == "down"
    return Label(
        number, "open" if held else "calm", ("nobody takes them", "waiting") if held else ("messages on the way", "on the way")
    )


def _inbox(state: State) -> Label:
    parked = state.counts.parked
    words = (
        (f"{counted(parked)} parked for a person", f"{counted(parked)} parked") if parked else ("each one counts once", "once each")
    )
    return Label(figure(state.counts.received), "open" if parked else "calm", words)


def _copy(state: State) -> Label:
    copy, number = state.copy, figure(state.copied)
    if copy.doubt:
        since = (f"doubtful since {clock(copy.doubtful_since)}",) if copy.doubtful_since else ()
        return Label(number, "doubt", (*since, "doubtful"), ("no decision counts as fresh", "not fresh"), more_look="open")
    has = (
        f"has everything up to {figure(copy.checkpoint)}",
        f"all up to {figure(copy.checkpoint)}",
        f"to {figure(copy.checkpoint)}",
    )
    if copy.state in _FILLING:
        return Label(number, "calm", _FILLING[copy.state], _age(state))
    if copy.holes:
        return Label(
            number,
            "calm",
            has,
            (f"{figure(copy.holes)} of the next are missing", f"{figure(copy.holes)} missing"),
            more_look="open",
        )
    if copy.state == Subscription.State.UNREACHABLE:
        return Label(number, "calm", has, ("users doesn't answer", "no answer"), more_look="open")
    old = copy.age is None or copy.age > OLD_SECONDS
    return Label(number, "calm", has, _age(state), more_look="open" if old else "calm")


_FILLING: dict[str, Forms] = {
    Subscription.State.NEW: ("new: not filled yet", "new"),
    Subscription.State.BOOTSTRAPPING: ("is being filled", "filling"),
    Subscription.State.PAUSED: ("waits until it is filled", "paused"),
}


def _age(state: State) -> Forms:
    if state.copy.age is None:
        return ("never confirmed", "no age")
    # Below a heartbeat's interval the exact age says nothing, and would change at each look.
    words = span(round(state.copy.age))
    return (f"confirmed {words} ago", f"{words} old")


def _comparison(state: State) -> Label:
    if state.comparison.differ is None:
        return Label("?", "calm", ("not compared yet", "never"))
    ago, number = f"{span(round(state.comparison.ago))} ago", state.comparison.differing
    if number:
        words = f"{figure(number)} differ{'s' if number == 1 else ''}"
        return Label("≠", "open", (f"{words}, {ago}", words))
    return Label("=", "calm", (f"equal, {ago}", "equal"))


def _program(program: Program) -> Label:
    since = (f"since {clock(program.since)}", clock(program.since)) if program.look == "down" and program.since else ()
    return Label("", program.look, (program.word,), below=since)


def _table(name: str, *caption: str) -> Callable[[State], Label]:
    return lambda state: Label(figure(number_of(name)), "calm", caption)


_LABELS: dict[str, Callable[[State], Label]] = {
    "people": _table("people", "one table", "table"),
    "bills": _table("bills", "one table", "table"),
    "invoices": _table("invoices", "billing's own rows", "own rows"),
    "rows": _rows,
    "ledger": _ledger,
    "outbox": _outbox,
    "relay": lambda state: _program(state.programs.relay),
    "queue": _queue,
    "worker": lambda state: _program(state.programs.worker),
    "inbox": _inbox,
    "copy": _copy,
    "api": lambda state: _program(state.programs.api),
    "tend": lambda state: _program(state.programs.tend),
    "comparison": _comparison,
}
