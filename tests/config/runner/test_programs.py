"""supervisord's configuration, read by supervisord's own parser."""

import shlex
import stat
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from config import sockets
from config.runner import programs
from config.runner.programs import Program


@pytest.fixture
def odd_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `var/` whose name has many characters with a meaning for supervisord's parser."""
    folder = tmp_path / "my #1 ;%(here)s 100%d 'x' \"y\""
    for name in ("run", "log"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setattr(programs, "VAR", folder)
    monkeypatch.setattr(programs, "CONFIGURATION", folder / "run" / "supervisord.conf")
    monkeypatch.setattr(programs, "PROGRAMS_LOCK", folder / "run" / "programs.lock")
    monkeypatch.setattr(programs, "CONTROL_SOCKET", sockets.usable(folder / "run" / "supervisor.sock"))
    return folder


def parsed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the configuration as supervisord reads it."""
    monkeypatch.setattr("os.environ", programs.environment())
    options = ServerOptions()
    options.realize(["-c", str(programs.CONFIGURATION)])
    return options


def test_words_and_paths_arrive_as_they_are(odd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/a b/python", "-n", "users@%h", "", "x #1", "; y", "it's", '"quoted"', f"{odd_folder}/z"]
    programs.write_configuration([Program("odd", words)])
    options = parsed(monkeypatch)
    program = options.process_group_configs[0].process_configs[0]

    command = shlex.split(program.command)
    assert command[-len(words) :] == words
    assert str(odd_folder / "run" / "programs.lock") in command
    assert program.stdout_logfile == str(odd_folder / "log" / "odd.log")
    assert options.logfile == str(odd_folder / "log" / "supervisord.log")
    assert options.pidfile == str(odd_folder / "run" / "supervisord.pid")


def test_only_the_owner_reads_the_password(odd_folder: Path) -> None:
    programs.CONFIGURATION.write_text("left by an earlier run")
    programs.CONFIGURATION.chmod(0o644)
    programs.write_configuration([])

    assert stat.S_IMODE(programs.CONFIGURATION.stat().st_mode) == 0o600
    assert "left by an earlier run" not in programs.CONFIGURATION.read_text()


def test_every_context_has_a_relay_and_a_worker() -> None:
    names = [program.name for program in programs.programs(["users", "billing"], 8000)]

    assert {"web", "beat", "relay-users", "relay-billing", "worker-users", "worker-billing"} <= set(names)


def test_one_context_alone_runs_nothing_of_the_others() -> None:
    words = [word for program in programs.programs(["billing"], 8000) for word in (program.name, *program.command)]

    assert "worker-billing" in words
    assert not [word for word in words if "users" in word]


def test_the_broker_is_started_first_and_only_without_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://localhost:6379/0")
    assert "broker" not in [program.name for program in programs.programs(["users"], 8000)]

    monkeypatch.delenv("CELERY_BROKER_URL")
    found = programs.programs(["users"], 8000)
    assert min(found, key=lambda program: program.priority).name == "broker"


def test_a_long_or_special_socket_path_has_a_stand_in(tmp_path: Path) -> None:
    plain, long, special = tmp_path / "x.sock", tmp_path / ("y" * 100) / "x.sock", tmp_path / "50%" / "x.sock"

    assert sockets.usable(plain) == plain
    assert len(str(sockets.usable(long))) <= sockets.LONGEST_PATH_BYTES
    assert sockets.usable(long) == sockets.usable(long) != sockets.usable(special)
    assert "%" not in str(sockets.usable(special))
