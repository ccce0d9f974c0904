"""What a chapter is: one object that the web page, `manage.py tour` and the tests play.

A chapter teaches by a failure: situation, the smallest change, break it, what is still wrong, the trade-offs, and what to do in
your own monolith. Its steps act on the running system and end in checks whose result the reader sees.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkthrough.script.stage import Stage


class Kind(StrEnum):
    """What a step is for; its button looks like it."""

    DO = "do"
    BREAK = "break"
    MEND = "mend"


@dataclass(frozen=True)
class Step:
    """One button. `says`: what it does, in a sentence or two, before it is pressed. `run` acts and checks, by the stage's tools."""

    name: str
    button: str
    says: str
    run: Callable[["Stage"], None]
    kind: Kind = Kind.DO

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(f"{self.name!r} can't be a step's name: small letters, digits and dashes.")


@dataclass(frozen=True)
class Act:
    """What a step does, as `steps.py` has it; `chapter.md` says the rest."""

    run: Callable[["Stage"], None]
    kind: Kind = Kind.DO


@dataclass(frozen=True)
class Listing:
    """Code that the chapter talks about, shown from its own file."""

    path: str
    #: A function, a class, a method (`Class.method`) or a module's constant; the whole file where it is empty.
    symbol: str = ""
    says: str = ""
    #: Words of the first and of the last line that the page shows; all lines where they are empty.
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class TradeOff:
    """A row of the chapter's table."""

    choice: str
    gains: str
    costs: str


class Place(StrEnum):
    """Where a command works."""

    ANYWHERE = "anywhere"
    HERE = "in this repository"
    #: Where `messaging` was moved into the reader's project.
    LIFTED = "after lifting"


@dataclass(frozen=True)
class Commands:
    """Commands that work in the same place."""

    place: Place
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What to do on Monday: `where` it hurts in a real monolith, `does` what to do about it, and the commands for it."""

    where: str
    does: str
    commands: tuple[Commands, ...] = ()


@dataclass(frozen=True)
class Window:
    """A page of the admin that the chapter talks about: `name` is its URL's name, as `admin:billing_cacheduser_changelist`."""

    title: str
    name: str
    query: str = ""


@dataclass(frozen=True)
class Chapter:
    """See the module. `starts` brings the system into the chapter's starting state. Texts are Markdown; `ending` is the heading of
    `still_wrong`."""

    number: int
    slug: str
    title: str
    question: str
    situation: str
    change: str
    still_wrong: str
    starts: Callable[["Stage"], None]
    steps: tuple[Step, ...]
    listings: tuple[Listing, ...] = ()
    trade_offs: tuple[TradeOff, ...] = ()
    advice: tuple[Advice, ...] = ()
    windows: tuple[Window, ...] = ()
    ending: str = "What is still wrong"

    def step(self, name: str) -> Step:
        """The step by that name; `KeyError` where there is none."""
        return {step.name: step for step in self.steps}[name]
