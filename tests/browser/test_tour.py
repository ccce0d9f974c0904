"""`manage.py tour` in a real terminal, on the running system: it asks as the page does, and the page shows the guesses."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.env import ROOT
from tests.browser.conftest import Pages
from tests.browser.steps import card
from tests.probes import wait_for
from tests.running import Run

#: Seconds that a step may take on a slow machine.
STEP = 120.0


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, run: Run, *words: str) -> None:
        self.ours, theirs = pty.openpty()
        self.printed, self._seen = "", 0
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**run.environment, "COLUMNS": "160", "TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def reads(self, text: str) -> None:
        """Wait until this is printed, after what was waited for before."""

        def there() -> bool:
            self._read()
            return text in self.printed[self._seen :]

        wait_for(there, timeout=STEP, what=f"{text!r} in the terminal", seen=lambda: self.printed[-1500:])
        self._seen = self.printed.index(text, self._seen) + len(text)

    def types(self, line: str) -> None:
        os.write(self.ours, f"{line}\n".encode())

    def _read(self) -> None:
        while select.select([self.ours], [], [], 0)[0]:
            try:
                self.printed += os.read(self.ours, 65536).decode(errors="replace")
            except OSError:  # the terminal is closed at the other end
                return


@contextmanager
def terminal(run: Run, *words: str) -> Iterator[Terminal]:
    found = Terminal(run, *words)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()
        os.close(found.ours)


def test_it_asks_for_guesses_and_the_page_shows_them(page: Pages) -> None:
    with terminal(page.run, "tour", "--chapter", "0") as tour:
        for _ in ("stage", "bill"):
            tour.reads("Press Enter to play it")
            tour.types("")
        tour.reads("Predict: Which invoices are flagged?")
        for answer in ("9", "2"):  # the first one is no option
            tour.reads("Your guess, 1 to 3; Enter plays without a guess.")
            tour.types(answer)
        tour.reads("You said: Only the first user's invoices (you were right)")
        tour.reads("Your guess, 1 to 3")
        tour.types("")
        tour.reads("It was: When the migration has ended")
        tour.reads("Your guess, 1 to 3")
        tour.types("1")
        tour.reads("fails, on purpose")
        tour.reads("You said: It stays, because the month is closed (not this time)")
        tour.reads("It was: It falls")
        tour.reads("1 chapter, 5 steps: all as expected.")
        assert tour.process.wait(30) == 0
    page.page.goto("/chapters/0/")
    assert card(page.page, "cascade").locator("dd").all_inner_texts() == [
        "It stays, because the month is closed not this time",
        "It falls",
    ]
    assert card(page.page, "migrate").locator("dt").all_text_contents() == ["It was"]


def test_with_yes_it_asks_nothing(page: Pages) -> None:
    with terminal(page.run, "tour", "--chapter", "0", "--yes") as tour:
        tour.reads("1 chapter, 5 steps: all as expected.")
        assert tour.process.wait(30) == 0
        assert "Your guess" not in tour.printed
        assert "Press Enter" not in tour.printed
