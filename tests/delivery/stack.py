"""Real relay and worker processes on the test's databases and a real broker."""

import os
import socket
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connections

from tests import warm
from tests.probes import wait_for

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {
    "default": "DATABASE_URL",
    "users": "USERS_DATABASE_URL",
    "billing": "BILLING_DATABASE_URL",
    "monolith": "MONOLITH_DATABASE_URL",
}


def database_url(alias):
    """The test database's URL, as another process needs it."""
    name = connections[alias].settings_dict["NAME"]
    if connections[alias].vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ[VARIABLES[alias]])._replace(path=f"/{name}").geturl()


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


class Stack:
    """Starts processes by name, kills them, and ends them all. What they print is shown where a test fails."""

    def __init__(self, broker):
        self.environment = {
            **os.environ,
            **{variable: database_url(alias) for alias, variable in VARIABLES.items()},
            "CELERY_BROKER_URL": broker,
        }
        self.processes = {}
        self.log = Path(tempfile.mkstemp(prefix="delivery-", suffix=".log")[1])

    def relay(self, context, kill_at=""):
        return self._start(f"relay-{context}", "-m", "tests.delivery.app", "relay", context, kill_at=kill_at)

    def worker(self, *contexts, kill_at=""):
        return self._start(f"worker-{'-'.join(contexts)}", "-m", "tests.delivery.app", "worker", *contexts, kill_at=kill_at)

    def web(self):
        """The APIs, on a port of their own; returns when they answer."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        self.environment |= {f"{context.upper()}_API_URL": url for context in ("users", "billing", "monolith")}
        self._start("web", "-m", "tests.delivery.app", "runserver", "--alone", "--noreload", f"127.0.0.1:{port}", kill_at="")
        wait_for(lambda: answers(f"{url}/api/users/contracts/"), timeout=30, what="the web server to answer", seen=self.tail)
        return url

    def tend(self, context, *options):
        return self._start(f"tend-{context}", "-m", "tests.delivery.app", "tend", context, *options, kill_at="")

    def manage(self, *arguments, kill_at=""):
        """A command, as a process of its own."""
        return self._start(arguments[0], "-m", "tests.delivery.app", *arguments, kill_at=kill_at)

    def writer(self, kind, name, folder):
        """A process that writes users or invoices wherever they belong, until told to stop (`tests/delivery/writer.py`)."""
        return self._start(f"writer-{name}", "-m", "tests.delivery.writer", kind, name, str(folder), kill_at="")

    def run(self, name, *arguments, project=ROOT, log=None, **environment):
        """Any program, of this project or of a copy of it, on the same broker; in an environment that differs in these. `log`: a
        file of its own."""
        return self._start(name, *arguments, kill_at="", project=project, log=log, **environment)

    def _start(self, name, *arguments, kill_at, project=ROOT, log=None, **environment):
        environment = {**self.environment, "TEST_KILL_AT": kill_at, **environment}
        with (log or self.log).open("ab") as log:
            process = warm.start(arguments, cwd=project, env=environment, stdout=log, stderr=log)
        self.processes[name] = process
        return process

    def kill(self, name):
        """SIGKILL to the whole family, as a crash of the machine would: a worker's pool child too."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, 9)
        process.wait(timeout=10)

    def close(self):
        for name in list(self.processes):
            self.kill(name)

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
