"""A reader of a running system: opens pages, sends forms and types commands, and knows nothing else."""

import http.cookiejar
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from html import unescape
from typing import Any

from config.env import ROOT
from tests import warm
from tests.running import Run


@dataclass(frozen=True)
class Page:
    status: int
    html: str

    @property
    def text(self) -> str:
        """What is read on it, on one line."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.html)).split())


class Reader:
    def __init__(self, run: Run) -> None:
        self.run = run
        self.address = f"http://127.0.0.1:{run.environment['PORT']}"
        self.cookies = http.cookiejar.CookieJar()
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        ).open

    def login(self) -> None:
        """Log in to the admin, with the password that `make run` shows."""
        password = (self.run.folder / "admin-password").read_text().strip()
        self.get("/admin/login/")
        assert "Log out" in self.post("/admin/login/?next=/admin/", username="admin", password=password).text

    def get(self, path: str) -> Page:
        return self._asked(urllib.request.Request(f"{self.address}{path}"))

    def post(self, path: str, **values: str) -> Page:
        """Send a form like a browser without JavaScript."""
        token = next((one.value for one in self.cookies if one.name == "csrftoken"), "")
        body = urllib.parse.urlencode({**values, "csrfmiddlewaretoken": token or ""}).encode()
        return self._asked(urllib.request.Request(f"{self.address}{path}", body, {"Referer": self.address}))

    def _asked(self, request: urllib.request.Request) -> Page:
        try:
            with self._open(request, timeout=120) as answer:
                return Page(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Page(error.code, error.read().decode())

    def manage(self, *words: str) -> tuple[int, str]:
        """Type a command; returns its exit code and what it printed."""
        mine = {name: value for name, value in self.run.environment.items() if name not in {"PORT", "PYTHONPATH"}}
        path = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}  # the system has one with plants
        environment = {**mine, **path, "NO_COLOR": "1", "COLUMNS": "160"}
        done = warm.run(["manage.py", *words], cwd=ROOT, env=environment, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def json(self, *words: str) -> dict[str, Any]:
        """What a command prints with `--json`."""
        _, printed = self.manage(*words, "--json")
        lines = [line for line in printed.splitlines() if line.startswith("{")]
        assert lines, printed
        return dict(json.loads(lines[-1]))
