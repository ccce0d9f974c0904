"""The messages of `make run` about its programs."""

from pathlib import Path

import pytest

from config.runner import readiness
from config.runner.readiness import Watch

STARTING = {"web": "STARTING", "relay-users": "RUNNING"}
RUNNING = dict.fromkeys(STARTING, "RUNNING")


class Programs:
    """Replaces supervisord, with given states."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}

    def states(self) -> dict[str, str]:
        return self.now


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    monkeypatch.setattr(readiness, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(readiness, "answers", lambda url: True)
    monkeypatch.setattr(readiness, "log_of", lambda name: tmp_path / f"{name}.log")
    (tmp_path / "relay-users.log").write_text("starting\nModuleNotFoundError: No module named 'users'\n")
    return Programs()


def watch(programs: Programs, password: str | None = "open-sesame") -> Watch:
    return Watch(programs, "http://127.0.0.1:8000/", ("admin", password), list(STARTING))  # type: ignore[arg-type]


def test_it_says_once_that_everything_runs(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    watching = watch(programs)
    for states in ({}, STARTING):
        programs.now = states
        watching.look()
        assert capsys.readouterr().out == ""
    programs.now = RUNNING
    watching.look()
    said = capsys.readouterr().out
    assert "http://127.0.0.1:8000/admin/" in said
    assert "admin / open-sesame" in said
    watching.look()
    assert capsys.readouterr().out == ""


def test_it_does_not_say_so_before_the_page_answers(
    programs: Programs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "answers", lambda url: False)
    programs.now = RUNNING
    watch(programs).look()
    assert capsys.readouterr().out == ""


def test_a_password_that_was_changed_is_not_shown(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    programs.now = RUNNING
    watch(programs, password=None).look()
    assert "with the password that you set" in capsys.readouterr().out


def test_a_program_that_keeps_failing_is_named_once_with_the_end_of_its_log(
    programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = watch(programs)
    programs.now = {**RUNNING, "relay-users": "FATAL"}
    watching.look()
    said = capsys.readouterr().out
    assert "relay-users keeps failing" in said
    assert "No module named 'users'" in said
    assert "start relay-users" in said
    assert "Everything runs" not in said
    watching.look()
    assert capsys.readouterr().out == ""

    programs.now = RUNNING
    watching.look()
    assert "Everything runs" in capsys.readouterr().out
    programs.now = {**RUNNING, "relay-users": "FATAL"}
    watching.look()
    assert "relay-users keeps failing" in capsys.readouterr().out
