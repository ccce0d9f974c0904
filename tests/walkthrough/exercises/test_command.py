"""`manage.py exercise`: lists, checks, shows the solution, puts the gap back."""

import io
import json
import shutil
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from walkthrough.exercises import book

SEVENTH = book.exercise(7)
FILE = SEVENTH.files[0]


def run(*arguments: str) -> tuple[int, str]:
    """Returns the exit code, and the output with the error's message."""
    out = io.StringIO()
    try:
        call_command("exercise", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def test_without_a_number_it_lists_them() -> None:
    code, out = run("--json")
    assert code == 0
    listed = json.loads(out)["exercises"]
    assert [one["number"] for one in listed] == list(range(1, 11))
    assert {one["state"] for one in listed} == {"open"}


def test_as_shipped_it_is_not_yet_done(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run("7")
    assert code == 1
    assert "Not yet: 3 of 9 claims hold." in out
    printed = " ".join(capsys.readouterr().out.split())
    assert "Exercise 7: Find changes without an event" in printed
    assert "✓ Changes with an event aren't found" in printed
    assert "✗ Purged events don't matter The events were sent and purged long ago, and silent_changes finds their users." in printed


def test_with_the_solution_it_is_done() -> None:
    shutil.copytree(SEVENTH.solution, SEVENTH.mine, dirs_exist_ok=True)
    code, out = run("7", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["done"]
    assert all(one["holds"] for one in found["probes"])
    assert "Done: all 9 claims hold." in run("7")[1]
    assert json.loads(run("--json")[1])["exercises"][6]["state"] == "done"


def test_it_prints_the_solution_only_when_asked() -> None:
    solution = (SEVENTH.solution / FILE).read_text()
    code, out = run("7", "--solution")
    assert code == 0
    assert f"# --- silent.py\n{solution}" in out
    assert "version__gt" not in run("7")[1]


def test_a_wrong_number_is_wrong_usage() -> None:
    assert run("12") == (2, "There is no exercise 12. Choose one of: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.")
    assert run("--solution")[0] == 2


@pytest.mark.parametrize(("answer", "code", "kept"), [("y", 0, False), ("", 3, True), ("no", 3, True)])
def test_a_reset_asks_first(monkeypatch: pytest.MonkeyPatch, answer: str, code: int, kept: bool) -> None:
    (SEVENTH.mine / FILE).write_text("# mine\n")
    monkeypatch.setattr(sys, "stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})(f"{answer}\n"))
    assert run("7", "--reset")[0] == code
    assert ((SEVENTH.mine / FILE).read_text() == "# mine\n") == kept


def test_a_reset_without_a_terminal_needs_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    (SEVENTH.mine / FILE).write_text("# mine\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, out = run("7", "--reset")
    assert code == 3
    assert "--reset --yes" in out
    assert (SEVENTH.mine / FILE).read_text() == "# mine\n"
    assert run("7", "--reset", "--yes")[0] == 0
    assert (SEVENTH.mine / FILE).read_text() == (SEVENTH.start / FILE).read_text()
