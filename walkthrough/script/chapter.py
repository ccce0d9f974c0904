"""A chapter: one object that the web page, `manage.py tour` and the tests play.

It teaches by a failure: the situation, the smallest change, break it, what is still wrong, the trade-offs, and what to do in your
own monolith. Its steps act on the running system and end in checks, and the reader sees their results.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from walkthrough.script.stage import Stage


class Kind(StrEnum):
    """The purpose of a step; its button looks like it."""

    DO = "do"
    BREAK = "break"
    MEND = "mend"


class Unplayable(ValueError):
    """The prose and the code of a chapter don't fit together; the message says where, and what to change."""


@dataclass(frozen=True)
class Prediction:
    """A question that a reader answers before a step is played. The run decides which option comes true."""

    question: str
    #: Option to its text, in the order of the page.
    options: dict[str, str]


@dataclass(frozen=True)
class Step:
    """One button."""

    name: str
    button: str
    #: What the step does, in a sentence or two; shown before it is played.
    says: str
    #: Acts and checks, with the stage's tools.
    run: Callable[["Stage"], None]
    kind: Kind = Kind.DO
    #: What a reader is asked first.
    prediction: Prediction | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(f"{self.name!r} can't be a step's name: small letters, digits and dashes.")


@dataclass(frozen=True)
class Act:
    """A step's code, in `steps.py`. Its words are in `chapter.md`."""

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
    """What to do about one trouble of a real monolith."""

    #: The trouble.
    where: str
    #: What to do about it.
    does: str
    commands: tuple[Commands, ...] = ()


@dataclass(frozen=True)
class Window:
    """A page of the admin that the chapter talks about."""

    title: str
    #: Its URL's name, such as `admin:billing_cacheduser_changelist`.
    name: str
    query: str = ""


@dataclass(frozen=True)
class Chapter:
    """All that a chapter shows and plays. Its texts are Markdown."""

    number: int
    slug: str
    title: str
    question: str
    situation: str
    change: str
    still_wrong: str
    #: Brings the system into the chapter's starting state.
    starts: Callable[["Stage"], None]
    steps: tuple[Step, ...]
    listings: tuple[Listing, ...] = ()
    trade_offs: tuple[TradeOff, ...] = ()
    advice: tuple[Advice, ...] = ()
    windows: tuple[Window, ...] = ()
    #: The heading of `still_wrong`.
    ending: str = "What is still wrong"

    def step(self, name: str) -> Step:
        """Return the step with this name. Raises `KeyError` if there is none."""
        return {step.name: step for step in self.steps}[name]
