"""The bar on every page: the step that is running, wherever it was started, and for a while the outcome of the last one."""

import time
from dataclasses import dataclass

from walkthrough.chapters import chapter as by_number
from walkthrough.script import player
from walkthrough.script.now import Now
from walkthrough.script.transcript import Check, Entry, Ran, Rows

#: Seconds for which an outcome is shown.
OUTCOME = 180
#: Time between two requests of a page, while a step runs and while none does.
BUSY, IDLE = "500ms", "3s"


@dataclass(frozen=True)
class Bar:
    """`look`: running, green, red or interrupted. `verdict`: the result in words. `last`: the last line of the running step."""

    look: str
    tag: str
    verdict: str
    chapter: int
    step: str
    button: str
    seconds: int
    last: str


def bar(state: Now | None) -> Bar | None:
    """The bar's content; None if there is nothing to show."""
    if state is None or (state.over is not None and time.time() - state.over > OUTCOME):
        return None
    try:
        chapter, name = by_number(state.chapter), state.played.step
        button = "Set the stage" if name == player.SETTING else chapter.step(name).button
    except KeyError:
        return None  # an older version of the project played it
    look = "interrupted" if state.interrupted else "running" if state.running else "green" if state.played.green else "red"
    tag = "running" if state.running else state.played.result.look
    verdict = "running" if state.running else "interrupted" if state.interrupted else state.played.verdict
    return Bar(look, tag, verdict, chapter.number, name, button, state.seconds, _line(state.last) if state.running else "")


def every(state: Now | None) -> str:
    """The time until a page asks again."""
    return BUSY if state and state.running else IDLE


def _line(entry: Entry | None) -> str:
    if entry is None:
        return ""
    if isinstance(entry, Check):
        return f"{entry.result.mark} {entry.claim}"
    if isinstance(entry, Ran):
        return f"$ {entry.command}"
    return entry.title if isinstance(entry, Rows) else entry.text
