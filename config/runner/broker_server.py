"""The embedded broker as a process: the Valkey server's command line, and one to start for the length of a test.

`make run` has it supervised (`config/runner/programs.py`); tests and benchmarks start their own in a temporary folder. Both start
it through `config/runner/tether.py`, so it ends with whoever started it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from config.broker import FOLDER, embedded_server, socket_path

TETHER = Path(__file__).with_name("tether.py")
PATIENCE_SECONDS = 15.0


def tethered(*command: str | Path, hold: Path | None = None) -> list[str]:
    """The command line that runs `command` on a tether: start it with a pipe as standard input, and keep the other end."""
    holding = ["--hold", str(hold)] if hold else []
    return [sys.executable, "-I", "-S", str(TETHER), *holding, *map(str, command)]


def server_command(folder: Path = FOLDER) -> list[str]:
    """The Valkey server on a Unix socket, with its data in `folder`.

    A socket file that a killed server left behind is no obstacle: the server removes it before it binds.
    """
    server = embedded_server()
    if server is None:
        raise RuntimeError("No Valkey wheel fits this machine; name a broker in CELERY_BROKER_URL.")
    options = {
        "port": "0",
        "unixsocket": str(socket_path(folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        # What is confirmed is on the disk (decision 0003: with `everysec`, SIGKILL while the disk is slow loses messages).
        # Snapshots would add nothing to that.
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        # A full broker says so. Every other policy would drop messages to make room.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [str(server), *(word for name, value in options.items() for word in (f"--{name}", value))]


def start_broker(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server with its data in `folder`; return it and its URL when it answers.

    It ends when the process's `stdin` is closed, by `terminate()` too, and when this process dies.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(tethered(*server_command(folder)), stdin=subprocess.PIPE, stdout=output, stderr=output)
    try:
        _wait_until_it_answers(process, socket_path(folder), log)
    except BaseException:
        stop_broker(process)
        raise
    return process, f"redis+socket://{socket_path(folder)}"


def stop_broker(process: subprocess.Popen[bytes]) -> None:
    """End a server that `start_broker` started, and wait for it."""
    with process:  # closes the pipe and waits: the guard takes over if SIGTERM is not enough
        process.terminate()


@contextmanager
def broker() -> Iterator[str]:
    """A broker of its own in a temporary folder; gives its URL."""
    with tempfile.TemporaryDirectory(prefix="broker-", ignore_cleanup_errors=True) as folder:
        process, url = start_broker(Path(folder))
        try:
            yield url
        finally:
            stop_broker(process)


def _wait_until_it_answers(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=2) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError as error:
                ended = process.poll() is not None
                if ended or time.monotonic() > limit:
                    said = log.read_text(errors="replace").strip().splitlines()[-5:]
                    state = "ended at once" if ended else f"did not answer within {PATIENCE_SECONDS:.0f} s"
                    raise RuntimeError(f"The embedded broker {state}. It said: {' | '.join(said)}") from error
                time.sleep(0.02)
