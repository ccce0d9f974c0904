"""Which parts a picture has: all of them on the home page and in the lab, and in a chapter those that the reader knows by then."""

from dataclasses import dataclass

WHOLE = ("rows", "ledger", "outbox", "relay", "queue", "worker", "inbox", "copy", "api", "tend", "comparison")
_EVENTS = ("rows", "outbox", "relay", "queue", "worker", "inbox")


@dataclass(frozen=True)
class Shape:
    """`parts` in the order of the road. `new`: the parts that this chapter is about. `full`: with marks and captions. `says`: what
    the picture shows, in a sentence. `lacks`: what isn't there yet. `line`: a border in the code divides one database."""

    parts: tuple[str, ...]
    new: tuple[str, ...] = ()
    full: bool = False
    says: str = ""
    lacks: str = ""
    line: bool = False
    #: Each context is a process of its own.
    apart: bool = False
    #: The queue shows the versions of the events instead of their number.
    versions: bool = False
    #: What the parts in `new` are.
    heading: str = "New here"

    @property
    def one_database(self) -> bool:
        return "people" in self.parts

    @property
    def has_events(self) -> bool:
        return "outbox" in self.parts


SHAPES = {
    "home": Shape(WHOLE, full=True),
    "0": Shape(("people", "bills"), says="One database. One JOIN answers everything.", lacks="a border between the two tables"),
    "1": Shape(("people", "bills"), says="One database, and a border in the code.", lacks="a second database", line=True),
    "2": Shape(("rows", "api", "invoices"), ("api",), says="Billing asks for each decision.", lacks="a copy at billing"),
    "3": Shape(
        _EVENTS,
        _EVENTS[1:],
        says="A change and its event commit together. The relay sends the event.",
        lacks="protection from late events",
    ),
    "4": Shape(
        (*_EVENTS, "copy"),
        ("copy",),
        says="Billing keeps what it receives, and a row only moves forward.",
        lacks="a way to fill a new copy",
    ),
    "5": Shape(
        (*_EVENTS, "copy", "api"),
        ("api",),
        says="The feed fills a new copy from the beginning.",
        lacks="a proof that both are equal",
    ),
    "6": Shape(
        (*_EVENTS, "copy", "api", "comparison"),
        ("comparison",),
        says="The comparison opens the gate, and billing decides by its copy.",
        lacks="a remedy for changes without events",
    ),
    "7": Shape(WHOLE, ("ledger", "tend"), says="The ledger counts every change. Tend pulls what is missing."),
    "8": Shape(WHOLE, ("queue",), says="The queue is lost, with the messages in it. The feed isn't.", heading="Look at"),
    "9": Shape(WHOLE, ("copy",), says="The copy knows its age. A decision says how old is too old.", heading="Look at"),
    "10": Shape(WHOLE, ("queue",), says="Old and new versions of an event travel on one road.", versions=True, heading="Look at"),
    "11": Shape(WHOLE, says="Two programs, two databases, two deployments.", apart=True),
    "12": Shape(WHOLE, says="The whole system, with the figures of this run."),
}
