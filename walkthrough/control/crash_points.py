"""A bomb for one process of the running system: SIGKILL when it reaches a named moment of its work (`messaging/failpoints.py`).

A crash between two lines can't be aimed at from outside, so the process that crashes does it itself, at the line. Which process and
which moment is said by a file under `var/`. Whoever takes the file away dies, so one bomb kills one process, once, and what
supervisord starts in its place lives.
"""

import json
import os
import signal
import sys
from collections import Counter
from typing import Any

from walkthrough.control.faults import FOLDER

FILE, CRATER = FOLDER / "bomb.json", FOLDER / "bomb-went-off.json"

_reached: Counter[str] = Counter()
_known: tuple[int, dict[str, Any]] = (0, {})


def plant(step: str, *words: str, times: int = 1) -> None:
    """Kill the process that has all these words in its command line when it reaches the step for the n-th time from now."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    CRATER.unlink(missing_ok=True)
    draft = FILE.with_suffix(".draft")
    draft.write_text(json.dumps({"step": step, "words": words, "times": times}), encoding="utf-8")
    draft.replace(FILE)


def defuse() -> None:
    """Take away a bomb that didn't go off, and the trace of one that did."""
    FILE.unlink(missing_ok=True)
    CRATER.unlink(missing_ok=True)


def went_off() -> int:
    """The process id that the bomb killed; 0 where it didn't go off yet."""
    try:
        return int(json.loads(CRATER.read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError):
        return 0


def listen(step: str) -> None:
    """Hears of every step that this process reaches."""
    global _known
    try:
        changed = os.stat(FILE).st_mtime_ns
        if changed != _known[0]:
            _known = changed, json.loads(FILE.read_text(encoding="utf-8"))
            _reached.clear()
    except OSError:
        return  # there is none
    bomb = _known[1]
    if step != bomb["step"] or not set(bomb["words"]) <= set(sys.argv):
        return
    _reached[step] += 1
    if _reached[step] >= bomb["times"]:
        _go_off(step)


def _go_off(step: str) -> None:
    try:
        FILE.unlink()
    except FileNotFoundError:
        return  # another process was faster, and this one lives
    CRATER.write_text(json.dumps({"pid": os.getpid(), "step": step}), encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)
