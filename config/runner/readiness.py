"""The messages of `make run` about its programs: that everything runs, and which programs keep failing."""

import shlex
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from config.env import ROOT
from config.runner.log_tail import tail
from config.runner.programs import CONFIGURATION
from config.runner.supervisor import Supervisor, log_of

#: Seconds between two checks of the programs' states.
LOOK_SECONDS = 1.0


class Watch:
    """Prints once that everything runs and the page answers, and reports programs that keep failing. Before the first, it calls
    `last` until that returns True."""

    def __init__(
        self,
        supervisor: Supervisor,
        url: str,
        login: tuple[str, str | None],
        starting: Sequence[str],
        last: Callable[[], bool] = lambda: True,
    ) -> None:
        self.supervisor, self.url, self.login, self.starting, self.last = supervisor, url, login, starting, last
        self.ready = False
        self.failed: set[str] = set()
        self.next = 0.0

    def look(self) -> None:
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + LOOK_SECONDS
        states = self.supervisor.states()
        failed = {name for name, state in states.items() if state == "FATAL"}
        for name in sorted(failed - self.failed):
            say(f"{name} keeps failing and is not restarted any more. The end of its log:")
            print(*(f"    {line}" for line in tail(log_of(name))), sep="\n")
            say(f"after fixing that: .venv/bin/supervisorctl -c {shlex.quote(shown(CONFIGURATION))} start {name}")
        self.failed = failed
        if not self.ready and states and self._all_run(states) and answers(self.url) and self.last():
            self.ready = True
            self._announce()

    def _all_run(self, states: Mapping[str, str]) -> bool:
        return all(states.get(name) == "RUNNING" for name in self.starting)

    def _announce(self) -> None:
        name, password = self.login
        shown = f"[b]{name}[/b] / [b]{password}[/b]" if password else f"{name}, with the password that you set"
        Console(soft_wrap=True, highlight=False).print(
            Panel.fit(
                f"[b]{self.url}[/b]\n{self.url}admin/   {shown}\n\nCtrl-C stops everything. The data stays.",
                title="Everything runs",
                padding=(1, 3),
                border_style="green",
            )
        )


def answers(url: str) -> bool:
    """Return True if the web server answers with anything but a server error."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # ignore proxies in the environment
    try:
        direct.open(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def shown(path: Path) -> str:
    """Return a path as a person types it in the project's folder."""
    text = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    return f"{text}/" if path.is_dir() else text


def say(text: str) -> None:
    print(f"• {text}", flush=True)
