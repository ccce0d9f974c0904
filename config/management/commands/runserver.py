"""`runserver` is Django's command. With `DEBUG=1` it also starts the other programs of `make run`."""

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

#: Addresses that mean "all", with the address at which this machine reaches the server.
EVERYWHERE = {"0": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
#: Seconds between two checks for migrated databases, or for the end of the reloader.
LOOK_SECONDS = 1.0


class Command(PlainErrors, runserver.Command):
    help = (
        "Start the web server and, with DEBUG=1, the broker, relays, workers and all other programs; Ctrl-C stops all of them. "
        "--alone starts only the web server."
    )
    addr: str
    port: str
    use_ipv6: bool

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--alone", action="store_true", help="start only the web server, without the other programs")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.default_port = str(preflight.chosen_port(another="PORT=8001 python manage.py runserver"))
            super().handle(*args, **options)
        except CanNotRun as reason:
            raise CommandError(str(reason), returncode=reason.code) from None

    def run(self, **options: Any) -> None:
        # The reloader runs this here and in a second process, the web server, which restarts with each change.
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
        """Run the checks before anything starts, and yield the host at which this machine reaches the server."""
        preflight.check_folder()
        with closing(preflight.only_one()):
            preflight.none_of_an_earlier_run()
            host = EVERYWHERE.get(self.addr, self.addr)
            if not self.use_ipv6:
                preflight.check_port(int(self.port), host, another="python manage.py runserver {port}")
            provisioning.check_broker()
            provisioning.pending()  # raises if a database doesn't answer
            yield host

    def _url(self, host: str) -> str:
        return f"http://{f'[{host}]' if self.use_ipv6 else host}:{self.port}/"


class Beside:
    """Runs all programs except the web server, in a thread, while the block runs. If they end first, the block ends too, and the
    process exits with 1."""

    def __init__(self, url: str, port: int) -> None:
        self.asked, self._url, self._port = 0, url, port
        self._thread = threading.Thread(target=self._run, name="programs")
        self._failed = False
        os.environ["PORT"] = str(port)  # the programs find this server's API by it

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: sys.exit(0))
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)  # an exception could interrupt the orderly stop
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
            if not self.asked:  # the pages can't work without the programs
                self._failed = True
                os.kill(os.getpid(), signal.SIGTERM)

    def _migrated(self) -> bool:
        """Wait until every database is migrated. Return False if a person stops it before that."""
        if provisioning.pending():
            say("the other programs start after: python manage.py migrate")
        while not self.asked and provisioning.pending():
            time.sleep(LOOK_SECONDS)
        return not self.asked


def _end_with(parent: int) -> None:
    """End this web server when its reloader ends. A killed reloader would leave it behind, and the port in use."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def unmigrated() -> str:
    """Return a sentence with the unmigrated databases and the next command; empty if all are migrated."""
    try:
        pending = provisioning.pending()
    except CanNotRun as reason:
        return str(reason)
    return f"Not migrated: {', '.join(pending)}. Run in another terminal: python manage.py migrate" if pending else ""
