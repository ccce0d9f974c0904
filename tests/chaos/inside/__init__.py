"""The faults inside the processes. Files switch them, so every process sees a change at once; without a file they are off."""

import os
import time
from pathlib import Path

#: The folder of the switches.
FOLDER = Path(os.environ.get("VAR_DIR", "var")) / "chaos"
#: Seconds between two reads of a switch.
LOOK = 0.1


class Switch:
    """A file's content, read from time to time; empty without a file."""

    def __init__(self, *names: str) -> None:
        self.file = FOLDER.joinpath(*names)
        self._looked, self._text = 0.0, ""

    def read(self) -> str:
        now = time.monotonic()
        if now - self._looked >= LOOK:
            self._looked = now
            try:
                self._text = self.file.read_text()
            except OSError:
                self._text = ""
        return self._text

    def write(self, text: str) -> None:
        """Write in one step, so that no process reads half of it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self.file)

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
