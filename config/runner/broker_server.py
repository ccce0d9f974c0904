"""The embedded broker as a process: the Valkey server's command line, and a broker for the length of a test.

`make run` supervises it (`config/runner/programs.py`); tests and benchmarks start their own in a temporary folder. Both use
`config/runner/tether.py`, so the server ends with the process that started it.
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
    """Return a command line that runs `command` on a tether. Start it with a pipe as standard input, and keep the other end."""
    holding = ["--hold", str(hold)] if hold else []
    return [sys.executable, "-I", "-S", str(TETHER), *holding, *map(str, command)]


def server_command(folder: Path = FOLDER) -> list[str]:
    """Return the command line of the Valkey server on a Unix socket, with its data in `folder`.

    The server removes the socket file of a killed server itself.
    """
    server = embedded_server()
    if server is None:
        raise RuntimeError("No Valkey wheel fits this machine. Set CELERY_BROKER_URL to a broker's URL.")
    options = {
        "port": "0",
        "unixsocket": str(socket_path(folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        # A confirmed message is on the disk. With `everysec`, SIGKILL and a slow disk lose messages (decision 0003). Snapshots
        # would add nothing.
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        # A full broker refuses messages. Every other policy would drop some to make room.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [str(server), *(word for name, value in options.items() for word in (f"--{name}", value))]


def start_broker(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server with its data in `folder`. Returns its process and its URL when it answers.

    It ends by `terminate()`, when its `stdin` is closed, or when this process dies.
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
    """Stop a server of `start_broker`, and wait until it has ended."""
    with process:  # closes the pipe and waits; the tether's guard kills it if SIGTERM is not enough
        process.terminate()


@contextmanager
def broker() -> Iterator[str]:
    """Run a broker in a temporary folder, and yield its URL."""
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
                    raise RuntimeError(f"The embedded broker {state}. The end of its log: {' | '.join(said)}") from error
                time.sleep(0.02)
