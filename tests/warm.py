"""Starts Python programs as forks of a process that has their libraries imported: two thirds of what a start costs is imports.

The suite starts hundreds of relays, workers and commands. Each is still a process of its own, in a session of its own, and is
killed by its id. Only its libraries were imported before it was forked. Nothing of this project is imported before the fork, and no
setting is read, so a program can run in a copy of the project and with any environment. The idea is multiprocessing's forkserver,
which starts functions instead of programs: https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

#: Without this package of an extra the suite runs, too.
WITHOUT = {"cryptography"}
#: Not gunicorn: when it is imported, it remembers the folder that it is in.
LIBRARIES = """
    asyncio billiard celery.app.amqp celery.app.control celery.app.log celery.app.routes celery.apps.beat celery.apps.worker
    celery.bin.beat celery.bin.celery celery.bin.worker celery.concurrency.prefork celery.fixups.django celery.loaders.app
    celery.worker.components celery.worker.consumer cryptography.hazmat.primitives.asymmetric.ed25519 dj_database_url
    django.contrib.admin.options django.contrib.admin.sites django.contrib.auth.hashers django.contrib.auth.password_validation
    django.contrib.auth.tokens django.contrib.contenttypes.checks django.contrib.sites.requests django.core.cache.backends.locmem
    django.core.mail django.core.management.commands.check django.core.management.commands.makemigrations
    django.core.management.commands.migrate django.core.management.commands.runserver django.core.wsgi
    django.db.backends.postgresql.base django.db.backends.sqlite3.base django.db.models django.forms django.middleware.common
    django.middleware.csrf django.middleware.security django.test django.test.client django.utils.translation.trans_null
    django.views.debug docutils.core docutils.parsers.rst.states email.mime.text getpass grimp inflection jsonschema
    kombu.transport.filesystem kombu.transport.memory kombu.transport.pyamqp kombu.transport.redis markdown_it prometheus_client
    psycopg pydantic pydantic.json_schema pydantic.main pydantic.type_adapter redis rest_framework.fields rest_framework.relations
    rest_framework.serializers rich.console rich.table sqlparse supervisor.xmlrpc tomllib uritemplate urllib3 whitenoise.middleware
    xml.dom.minidom yaml zoneinfo
""".split()
#: Read by Python when it starts, so a fork can't follow them.
AT_START = "PYTHON"
#: These it can.
FOLLOWED = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
MESSAGE_BYTES = 262144


class Program:
    """A program that runs, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, server: "Server", pid: int) -> None:
        self.server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self.server.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = 1.0 if end is None else end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.server.wait(min(left, 0.2))
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended by itself
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Server:
    """The parent of all programs: it forks them, and says how they ended."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
        self.codes: dict[int, int] = {}
        self.turn = threading.Lock()
        atexit.register(self.close)

    def close(self) -> None:
        self.socket.close()
        self.process.wait()

    def start(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: list[int]) -> Program:
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        with self.turn:
            socket.send_fds(self.socket, [request], streams)
            while True:
                kind, pid, code = self._receive()
                if kind == "started":
                    return Program(self, pid)
                self.codes[pid] = code

    def ended(self, pid: int) -> int | None:
        """The code that a program ended with, once."""
        with self.turn:
            while select.select([self.socket], [], [], 0)[0]:
                _, other, code = self._receive()
                self.codes[other] = code
            return self.codes.pop(pid, None)

    def wait(self, seconds: float) -> None:
        select.select([self.socket], [], [], seconds)

    def _receive(self) -> tuple[str, int, int]:
        answer = self.socket.recv(MESSAGE_BYTES)
        assert answer, f"The process that starts programs is gone: {self.process.poll()}."
        kind, pid, code = json.loads(answer)
        return kind, pid, code


#: A fork, or a process that was started anew.
Process = Program | subprocess.Popen[bytes]


@cache
def server() -> Server:
    return Server()


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = None,
    stderr: Any = None,
) -> Process:
    """Start Python with these arguments (`-m module …`, `-c code …` or `script.py …`), in a session of its own.

    A stream is a file, a descriptor, DEVNULL or STDOUT; the caller makes pipes. Some starts can't be a fork: on another system than
    Linux, with an option for Python itself, or with a variable that Python reads when it starts. Then Python is started anew.
    """
    followed = FOLLOWED | {name for name in env if not name.startswith(AT_START) or env[name] == os.environ.get(name)}
    plain = arguments[0] in {"-m", "-c"} or arguments[0].endswith(".py")
    if sys.platform != "linux" or not plain or set(env) - followed:
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
    with open(os.devnull, "r+b") as nothing:
        streams: list[int] = []
        for number, stream in enumerate((stdin, stdout, stderr)):
            assert stream != subprocess.PIPE, "The caller makes pipes."
            if stream == subprocess.STDOUT:
                streams.append(streams[1])
            elif stream == subprocess.DEVNULL:
                streams.append(nothing.fileno())
            else:
                streams.append(number if stream is None else stream if isinstance(stream, int) else stream.fileno())
        return server().start(arguments, cwd, env, streams)


def run(arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments to its end, and return its exit code and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        program = start(arguments, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = program.wait(timeout)
        finally:
            if program.returncode is None:
                program.kill()
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, code, *printed)


def serve(requests: socket.socket) -> list[str]:
    """Fork a program for each request, until nobody asks any more. Returns in each fork, with the arguments."""
    running: dict[int, int] = {}
    while True:
        for ready in select.select([requests.fileno(), *running], [], [])[0]:
            if ready in running:
                os.close(ready)
                pid = running.pop(ready)
                requests.send(json.dumps(["ended", pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]).encode())
                continue
            request, streams, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, 3)
            if not request:
                os._exit(0)
            pid = os.fork()
            if not pid:
                os.setsid()
                # Said by the fork itself: its group exists now, so that it can be killed from here on.
                requests.send(json.dumps(["started", os.getpid(), 0]).encode())
                arguments, folder, environment = json.loads(request)
                _become(folder, environment, streams)
                return list(arguments)
            for stream in streams:
                os.close(stream)
            running[os.pidfd_open(pid)] = pid


def _become(folder: str, environment: dict[str, str], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with suppress(OSError):  # the one that listed them
                os.close(int(name))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    if environment.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    os.chdir(folder)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()


def _play(arguments: list[str]) -> None:
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    for library in LIBRARIES:
        try:
            importlib.import_module(library)
        except ModuleNotFoundError as missing:
            if missing.name not in WITHOUT:
                raise
    from pydantic import TypeAdapter

    TypeAdapter(int)  # the first one looks for plugins in every installed package
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        wanted = serve(channel)
        channel.detach()  # closed with all others
    _play(wanted)
