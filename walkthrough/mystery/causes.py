"""The twelve faults: what each is called, how it begins, where it can be seen, and which repairs heal it. Their words are in
`causes.toml`."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from walkthrough.mystery.begin import BEGIN
from walkthrough.mystery.scene import Scene
from walkthrough.mystery.signs import PLACES, Sign
from walkthrough.mystery.state import Ticket

FILE = Path(__file__).with_name("causes.toml")


@dataclass(frozen=True)
class Cause:
    """A fault that a mystery may be about."""

    name: str
    #: What is wrong, as the reader chooses it.
    title: str
    #: What was done to the system.
    did: str
    begin: Callable[[Scene], Ticket]
    #: Where it can be seen; the first sign alone tells it from the other causes.
    signs: tuple[Sign, ...]
    hints: tuple[str, ...]
    #: Repairs that heal it, the one that `give-up` carries out first.
    repairs: tuple[str, ...]
    #: Concealed faults that are on while it begins, and those that stay on.
    early: frozenset[str]
    lasting: frozenset[str]


def _cause(values: dict[str, Any]) -> Cause:
    return Cause(
        name=values["name"],
        title=values["title"],
        did=values["did"],
        begin=BEGIN[values["name"]],
        signs=tuple(Sign(sign["text"], PLACES[sign["place"]]) for sign in values["signs"]),
        hints=tuple(values["hints"]),
        repairs=tuple(values["repairs"]),
        early=frozenset(values.get("early", ())),
        lasting=frozenset(values.get("lasting", ())),
    )


with FILE.open("rb") as _file:
    CAUSES = tuple(map(_cause, tomllib.load(_file)["cause"]))
NAMES = tuple(one.name for one in CAUSES)


def cause(name: str) -> Cause:
    """Return the cause with this name. Raises `KeyError` if there is none."""
    return {one.name: one for one in CAUSES}[name]
