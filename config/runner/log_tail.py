"""The programs' logs on the terminal: each line with its program's name before it. Nothing but the log files lies between, so
supervisord rotates them as it likes and a program never waits for the terminal."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TextIO

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class Follower:
    """One log file: `lines()` gives what was completed since the last call, across rotations."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._open(os.SEEK_END)  # what earlier runs wrote is old

    def lines(self) -> list[str]:
        """Complete lines only; the begun one waits for its end."""
        if self._file is None:
            self._open()
        text = self._read()
        if self._rotated():
            # Whoever rotated wrote its last into the old file before that, so this read is the last one it needs.
            text += self._read()
            self._open()
            text += self._read()
        *complete, self._rest = (self._rest + text).split(b"\n")
        return [_text(line) for line in complete]

    def end(self) -> list[str]:
        """The last lines, and what has no line's end yet: nobody writes any more."""
        last = self.lines()
        if self._rest:
            last.append(_text(self._rest))
            self._rest = b""
        if self._file:
            self._file.close()
            self._file = None
        return last

    def _open(self, whence: int = os.SEEK_SET) -> None:
        if self._file:
            self._file.close()
            self._file = None
        with suppress(FileNotFoundError):
            self._file = self.path.open("rb")
            self._file.seek(0, whence)

    def _read(self) -> bytes:
        return self._file.read() if self._file else b""

    def _rotated(self) -> bool:
        if self._file is None:
            return False
        try:
            now = self.path.stat()
        except FileNotFoundError:  # in the middle of it
            return False
        return now.st_ino != os.fstat(self._file.fileno()).st_ino or now.st_size < self._file.tell()


class Terminal:
    """Prints the lines of many logs, prefixed; in colour on a terminal, unless NO_COLOR is set."""

    def __init__(self, logs: Iterable[tuple[str, Path]], out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.followers = [(name, Follower(path)) for name, path in logs]
        self.width = max((len(name) for name, _ in self.followers), default=0)
        self.colours = self.out.isatty() and not os.environ.get("NO_COLOR")

    def show(self) -> None:
        """Print what is new."""
        for number, (name, follower) in enumerate(self.followers):
            self._print(number, name, follower.lines())

    def finish(self) -> None:
        """Print what is left, now that all programs have ended."""
        for number, (name, follower) in enumerate(self.followers):
            self._print(number, name, follower.end())

    def _print(self, number: int, name: str, lines: list[str]) -> None:
        prefix = f"{name:<{self.width}} |"
        if self.colours:
            prefix = f"\x1b[{COLOURS[number % len(COLOURS)]}m{prefix}\x1b[0m"
        for line in lines:
            self.out.write(f"{prefix} {line}\n")
        if lines:
            self.out.flush()


def tail(path: Path, count: int = 15) -> list[str]:
    """The last lines of a log; of its last 20,000 bytes at most."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return [_text(line) for line in file.read().splitlines()[-count:]]
    except FileNotFoundError:
        return []


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace")
