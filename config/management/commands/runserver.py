"""`runserver`: Django's own, and with `DEBUG` all that the walkthrough needs beside it, as `make run` starts it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.core.management.base import CommandError, CommandParser
from django.db import connections
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from config.runner import preflight, programs, provisioning, system
from config.runner.preflight import CanNotRun
from config.runner.readiness import say
from messaging.management.base import PlainErrors

#: Addresses that mean "all", and where this machine reaches them.
EVERYWHERE = {"0": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
#: Seconds between two looks at what is waited for: the databases' migrations, the end of a reloader.
LOOK_SECONDS = 1.0


class Command(PlainErrors, runserver.Command):
    help = (
        "Start the web server and, with DEBUG=1, the broker, relays, workers and all other programs beside it; Ctrl-C stops "
        "all of them. --alone starts the web server only."
    )
    addr: str
    port: str
    use_ipv6: bool

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--alone", action="store_true", help="only the web server, without the other programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.default_port = str(preflight.chosen_port(another="PORT=8001 python manage.py runserver"))
            super().handle(*args, **options)
        except CanNotRun as reason:
            raise CommandError(str(reason), returncode=reason.code) from None

    def run(self, **options: Any) -> None:
        # The reloader runs this twice: here, and in a process of its own that is the web server and starts anew with each change.
        if os.environ.get(DJANGO_AUTORELOAD_ENV) == "true":
            threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True, name="parent").start()
        elif settings.DEBUG and not options["alone"]:
            with self._prepared() as host, Beside(self._url(host), int(self.port)):
                super().run(**options)
            return
        super().run(**options)

    def check_migrations(self) -> None:
        if text := unmigrated():
            self.stdout.write(self.style.NOTICE(text))

    @contextmanager
    def _prepared(self) -> Iterator[str]:
        """Whatever must hold before anything starts does; gives the host at which this machine reaches the server."""
        preflight.check_folder()
        with closing(preflight.only_one()):
            preflight.none_of_an_earlier_run()
            host = EVERYWHERE.get(self.addr, self.addr)
            if not self.use_ipv6:
                preflight.check_port(int(self.port), host, another="python manage.py runserver {port}")
            provisioning.check_broker()
            provisioning.pending()  # each database answers
            yield host

    def _url(self, host: str) -> str:
        return f"http://{f'[{host}]' if self.use_ipv6 else host}:{self.port}/"


class Beside:
    """All programs but the web server, watched from a thread for as long as the block runs. Where they end first, the block ends
    too, and the process exits with 1."""

    def __init__(self, url: str, port: int) -> None:
        self.asked, self._url, self._port = 0, url, port
        self._thread = threading.Thread(target=self._run, name="programs")
        self._failed = False
        os.environ["PORT"] = str(port)  # so the programs find this server's API

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: sys.exit(0))
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)  # one that raised could cut off the end in good order
        self._ask()
        self._thread.join()
        if self._failed:
            sys.exit(preflight.FAILED)

    def _ask(self, *signalled: object) -> None:
        self.asked += 1

    def _run(self) -> None:
        try:
            if self._migrated():
                system.run(programs.chosen(self._port, web=False), self._url, system.prepare(), self)
        except CanNotRun as reason:
            print(reason, file=sys.stderr)
        finally:
            connections.close_all()
            if not self.asked:  # what the pages work with is gone
                self._failed = True
                os.kill(os.getpid(), signal.SIGTERM)

    def _migrated(self) -> bool:
        """Wait until every database is up to date; False where somebody asked to stop before that."""
        if provisioning.pending():
            say("the other programs start when the databases are migrated")
        while not self.asked and provisioning.pending():
            time.sleep(LOOK_SECONDS)
        return not self.asked


def _end_with(parent: int) -> None:
    """A reloader that was killed leaves its web server behind, which then holds the port."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def unmigrated() -> str:
    """Which databases lack migrations and what to type, as a sentence; empty where none does."""
    try:
        pending = provisioning.pending()
    except CanNotRun as reason:
        return str(reason)
    return f"Not migrated yet: {', '.join(pending)}. Type in another terminal: python manage.py migrate" if pending else ""
