"""Prints the programs' logs on the terminal, each line with its program's name. It reads the log files, so a program never waits
for the terminal and supervisord can rotate the files."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TextIO

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


class Follower:
    """Follows one log file across rotations. `lines()` returns the lines completed since the last call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._open(os.SEEK_END)  # skip the lines of earlier runs

    def lines(self) -> list[str]:
        """Return the new complete lines."""
        if self._file is None:
            self._open()
        text = self._read()
        if self._rotated():
            # No program writes to the old file after the rotation, so this is its last read.
            text += self._read()
            self._open()
            text += self._read()
        *complete, self._rest = (self._rest + text).split(b"\n")
        return [_text(line) for line in complete]

    def end(self) -> list[str]:
        """Return the last lines, also an incomplete one, because the program has ended."""
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
        except FileNotFoundError:  # it is being rotated
            return False
        return now.st_ino != os.fstat(self._file.fileno()).st_ino or now.st_size < self._file.tell()


class Terminal:
    """Prints the lines of many logs with prefixes, in colour on a terminal unless NO_COLOR is set."""

    def __init__(self, logs: Iterable[tuple[str, Path]], out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.followers = [(name, Follower(path)) for name, path in logs]
        self.width = max((len(name) for name, _ in self.followers), default=0)
        self.colours = self.out.isatty() and not os.environ.get("NO_COLOR")

    def show(self) -> None:
        """Print the new lines."""
        for number, (name, follower) in enumerate(self.followers):
            self._print(number, name, follower.lines())

    def finish(self) -> None:
        """Print the last lines, after all programs have ended."""
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
    """Return the last lines of a log, from its last 20,000 bytes."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return [_text(line) for line in file.read().splitlines()[-count:]]
    except FileNotFoundError:
        return []


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace")
