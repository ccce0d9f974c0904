"""A crash point: one process kills itself with SIGKILL at a named step of its work (`messaging/failpoints.py`).

Nobody can time a crash between two lines from outside, so the process does it itself. A file under `var/` names the process and the
step. The process that removes the file dies. So one crash point kills one process once, and its successor lives.
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
    """Kill the process with all these words in its command line when it reaches the step for the n-th time from now."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    CRATER.unlink(missing_ok=True)
    draft = FILE.with_suffix(".draft")
    draft.write_text(json.dumps({"step": step, "words": words, "times": times}), encoding="utf-8")
    draft.replace(FILE)


def defuse() -> None:
    """Remove the crash point, whether it killed a process or not."""
    FILE.unlink(missing_ok=True)
    CRATER.unlink(missing_ok=True)


def went_off() -> int:
    """The id of the process that the crash point killed; 0 while it killed none."""
    try:
        return int(json.loads(CRATER.read_text(encoding="utf-8"))["pid"])
    except (FileNotFoundError, ValueError):
        return 0


def listen(step: str) -> None:
    """Called at every step that this process reaches."""
    global _known
    try:
        changed = os.stat(FILE).st_mtime_ns
        if changed != _known[0]:
            _known = changed, json.loads(FILE.read_text(encoding="utf-8"))
            _reached.clear()
    except OSError:
        return  # there is no crash point
    point = _known[1]
    if step != point["step"] or not set(point["words"]) <= set(sys.argv):
        return
    _reached[step] += 1
    if _reached[step] >= point["times"]:
        _go_off(step)


def _go_off(step: str) -> None:
    try:
        FILE.unlink()
    except FileNotFoundError:
        return  # another process was faster, so this one lives
    CRATER.write_text(json.dumps({"pid": os.getpid(), "step": step}), encoding="utf-8")
    os.kill(os.getpid(), signal.SIGKILL)
