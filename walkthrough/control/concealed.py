"""Faults that a mystery turns on unseen.

The file holds the mystery's seed, never a fault's name; each process works the names out from the seed. Nobody sees the fault by
looking at files or at the lab. It isn't a secret from a person who runs that code with the seed.
"""

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from config.env import VAR

log = logging.getLogger(__name__)
FOLDER = VAR / "walkthrough"
FILE = FOLDER / "concealed.json"
#: Faults that the lab has no switch for: a field of users' events has another name, and users' clock is slow.
RENAMED, SLOW_CLOCK = "renamed_field", "slow_clock"
#: A field that billing reads, and its name in the other release of users.
FIELD, NEW_NAME = "status_since", "since"
OFFSET = timedelta(hours=-1)

#: Works out the names of a seed's faults, while a mystery is prepared (`early`) and after. The mystery sets it.
resolvers: list[Callable[[int, bool], frozenset[str]]] = []
_known: tuple[int, frozenset[str]] = (0, frozenset())


def conceal(seed: int, *, early: bool) -> None:
    """Turn the seed's faults on, for every process."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    draft = FILE.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    draft.write_text(json.dumps({"seed": seed, "early": early}), encoding="utf-8")
    draft.replace(FILE)


def reveal() -> None:
    """Turn them off."""
    FILE.unlink(missing_ok=True)


def names() -> frozenset[str]:
    """The concealed faults that are on; none if the file is broken. The file is read again after a change."""
    global _known
    try:
        changed = os.stat(FILE).st_mtime_ns
        if changed != _known[0]:
            _known = changed, _resolved(FILE.read_text(encoding="utf-8"))
    except OSError:
        return frozenset()
    return _known[1]


def _resolved(text: str) -> frozenset[str]:
    try:
        values = json.loads(text)
        return frozenset().union(*(resolve(values["seed"], values["early"]) for resolve in resolvers))
    except (ValueError, KeyError, TypeError):
        log.warning("%s is broken, so no fault is concealed", FILE.name)
        return frozenset()


def renamed(event: dict[str, Any]) -> dict[str, Any]:
    """The event as a release of users sends it that gave a field another name, in the same version of the type."""
    data = event.get("data")
    if not isinstance(data, dict) or FIELD not in data:
        return event
    return {**event, "data": {NEW_NAME if name == FIELD else name: value for name, value in data.items()}}


def offset() -> timedelta:
    """How far users' clock is ahead."""
    return OFFSET if SLOW_CLOCK in names() else timedelta()
