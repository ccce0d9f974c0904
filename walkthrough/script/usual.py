"""How long a step usually takes: the median of its last plays on this machine, each of them as expected.

Before the first one it is the value of `seconds.json`, which was measured elsewhere; see `walkthrough.script.minutes`.
"""

import json
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from walkthrough.script import kept

MEASURED = Path(__file__).with_name("seconds.json")
#: Plays of a step that are kept.
MOST = 9


def seconds(chapter: int, step: str, last: float | None = None) -> float | None:
    """The step's usual seconds; None if it was never measured. A last play of `last` seconds doesn't count: it is compared."""
    plays = kept.read(_file()).get(_key(chapter, step), [])
    if plays[-1:] == [last]:
        plays = plays[:-1]
    found: float | None = median(plays) if plays else _elsewhere(MEASURED).get(_key(chapter, step))
    return found


def measured(chapter: int) -> float:
    """The seconds of all steps of a chapter, as measured elsewhere."""
    return float(sum(took for key, took in _elsewhere(MEASURED).items() if key.startswith(_key(chapter, ""))))


def note(chapter: int, step: str, took: float) -> None:
    """Keep the time of a play."""
    values = kept.read(_file())
    values[_key(chapter, step)] = [*values.get(_key(chapter, step), []), took][-MOST:]
    kept.write(_file(), values)


def write_medians() -> None:
    """Write this machine's medians to the project's file; values of other steps stay."""
    medians = {key: round(median(plays), 1) for key, plays in kept.read(_file()).items()}
    MEASURED.write_text(json.dumps(dict(sorted((kept.read(MEASURED) | medians).items())), indent=1) + "\n", encoding="utf-8")


@cache
def _elsewhere(path: Path) -> dict[str, Any]:
    """The project's file. Nothing changes it while a page is served, and the home page asks for each chapter."""
    return kept.read(path)


def _file() -> Path:
    return kept.FOLDER / "seconds.json"


def _key(chapter: int, step: str) -> str:
    return f"{chapter:02}/{step}"
