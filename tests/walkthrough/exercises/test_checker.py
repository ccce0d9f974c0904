"""The check itself: errors of the reader's code, its limits, and what is kept."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from config.env import ROOT, VAR
from tests.probes import wait_for
from walkthrough.exercises import book, checker
from walkthrough.exercises.book import Exercise

SEVENTH = book.exercise(7)
FILE = "silent.py"


def write(text: str, exercise: Exercise = SEVENTH, name: str = FILE) -> None:
    """Replace one of the reader's files."""
    (exercise.mine / name).write_text(text, encoding="utf-8")


def solve(exercise: Exercise = SEVENTH) -> None:
    shutil.copytree(exercise.solution, exercise.mine, dirs_exist_ok=True)


def test_a_syntax_error_is_told_with_its_line() -> None:
    write("def silent_changes(:\n    return []\n")
    result = checker.check(SEVENTH)
    assert result.error == "silent.py, line 1: Python can't read it: invalid syntax."
    assert not result.done
    assert result.summary == "The check can't run."


def test_an_exception_is_told_with_its_line() -> None:
    write("def silent_changes():\n    return {}['nothing']\n")
    result = checker.check(SEVENTH)
    assert "silent.py, line 2: KeyError: 'nothing'." in {one.lacks for one in result.outcomes}
    assert result.missing == len(result.outcomes)


def test_an_exception_at_the_import_is_told_with_its_line() -> None:
    write("import nowhere\n")
    assert checker.check(SEVENTH).error == "silent.py, line 1: ModuleNotFoundError: No module named 'nowhere'."


def test_a_handler_that_fails_is_told_with_its_line() -> None:
    exercise = book.exercise(4)
    solve(exercise)
    text = (exercise.mine / "caches.py").read_text(encoding="utf-8")
    write(text.replace("    return upsert_newer(", "    1 / 0\n    return upsert_newer("), exercise, "caches.py")
    (line,) = (number for number, words in enumerate(text.splitlines(), 1) if "return upsert_newer(" in words)
    lacks = checker.check(exercise).outcomes[0].lacks
    assert lacks.startswith(f"caches.py, line {line}: billing parked users.user.registered.v1")
    assert "ZeroDivisionError: division by zero" in lacks


def test_an_endless_loop_is_stopped() -> None:
    write("def silent_changes():\n    while True:\n        pass\n")
    result = checker.check(SEVENTH, longest=6)
    assert result.error == "The check didn't end within 6 s, so it was stopped. Is there a loop without an end?"


def test_a_process_that_ends_too_early_is_told() -> None:
    write("import os\n\nprint('goodbye', flush=True)\nos._exit(0)\n")
    assert checker.check(SEVENTH).error == "The check's process ended before the check did. Its last lines:\ngoodbye"


def test_endless_output_is_refused_and_what_the_code_started_ends_with_the_check(tmp_path: Path) -> None:
    seen = tmp_path / "pid"
    write(
        "import subprocess\nfrom pathlib import Path\n\n\ndef silent_changes():\n"
        f"    Path({str(seen)!r}).write_text(str(subprocess.Popen(['sleep', '300']).pid))\n"
        "    while True:\n        print('*' * 1_000_000)\n"
    )
    result = checker.check(SEVENTH)
    assert "File too large" in " ".join(one.lacks for one in result.outcomes if one.raised), result
    wait_for(lambda: not running(int(seen.read_text())), timeout=10, what="the end of the code's own process")


def test_a_check_ends_with_the_process_that_began_it(tmp_path: Path) -> None:
    seen = tmp_path / "pid"
    write(
        "import os\nfrom pathlib import Path\n\n\ndef silent_changes():\n"
        f"    Path({str(seen)!r}).write_text(str(os.getpid()))\n    while True:\n        pass\n"
    )
    code = (
        "from pathlib import Path; from walkthrough.exercises import book, checker; "
        f"checker.check(book.exercise(7), Path({str(SEVENTH.mine)!r}), longest=150)"
    )
    server = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        wait_for(lambda: seen.exists() and seen.read_text(), timeout=120, what="the reader's code to run")
    finally:
        server.kill()
        server.wait()
    check = int(seen.read_text())
    try:
        wait_for(lambda: not running(check), timeout=20, what="the end of the check")
    finally:
        with suppress(ProcessLookupError):
            os.kill(check, signal.SIGKILL)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("kept_text", ["[]", '{"result": "x"}', '{"result": {"outcomes": [1]}}', '{"result": {"dance": 1}}'])
def test_a_kept_result_of_another_shape_counts_as_none(kept_text: str) -> None:
    checker._file(SEVENTH).parent.mkdir(parents=True, exist_ok=True)
    checker._file(SEVENTH).write_text(kept_text)
    assert checker.last(SEVENTH) is None


def test_the_gap_s_files_are_made_once_and_kept() -> None:
    assert (SEVENTH.mine / FILE).read_text() == (SEVENTH.start / FILE).read_text()
    write("# mine\n")
    assert (SEVENTH.mine / FILE).read_text() == "# mine\n"
    (SEVENTH.mine / FILE).unlink()
    assert (SEVENTH.mine / FILE).read_text() == (SEVENTH.start / FILE).read_text()


def test_the_state_follows_the_checks() -> None:
    assert checker.state(SEVENTH) == "open"
    checker.check_mine(SEVENTH)
    assert checker.state(SEVENTH) == "3 of 9 claims hold"
    solve()
    result = checker.last(SEVENTH)
    assert result
    assert checker.changed(SEVENTH, result)
    checked = checker.check_mine(SEVENTH)
    assert checker.state(SEVENTH) == "done"
    assert checker.last(SEVENTH) == checked
    assert not checker.changed(SEVENTH, checked)
    checker.forget(SEVENTH)
    assert checker.state(SEVENTH) == "open"
    assert (SEVENTH.mine / FILE).read_text() == (SEVENTH.start / FILE).read_text()


def test_a_check_writes_to_throw_away_databases_only(tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    write(
        "import json\nfrom pathlib import Path\n\nfrom django.db import connections\n\n\ndef silent_changes():\n"
        "    names = [str(one.settings_dict['NAME']) for one in connections.all()]\n"
        f"    Path({str(seen)!r}).write_text(json.dumps(names))\n    return []\n"
    )
    checker.check(SEVENTH)
    names = json.loads(seen.read_text())
    assert len(names) == 3
    for name in names:
        assert not Path(name).is_relative_to(VAR)
        assert not Path(name).exists()


def test_every_probe_begins_with_empty_tables() -> None:
    template = checker._template()
    assert template == checker._template()
    with sqlite3.connect(template / "users.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM users_user").fetchone() == (0,)
    write(
        "from walkthrough.exercises.shop.users.models import User\n\n\ndef silent_changes():\n"
        "    assert User.objects.count() <= 5, f'{User.objects.count()} users'\n    return []\n"
    )
    assert not [one for one in checker.check(SEVENTH).outcomes if "users" in one.lacks and "AssertionError" in one.lacks]


@pytest.mark.parametrize("number", [0, 11])
def test_there_is_no_other(number: int) -> None:
    with pytest.raises(KeyError):
        book.exercise(number)
