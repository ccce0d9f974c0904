"""From an empty environment to a copy that equals its table, by the steps of `docs/lifting.md`. Nothing is copied by hand.

`make test ARGS="-s tests/adoption/test_empty_environment.py"` prints the commands and the seconds.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from config.runner.broker_server import broker as embedded
from tests.adoption import afternoon, installed
from tests.adoption.project import code_lines

MOST_COMMANDS = 15
#: The steps that need no code of the project's own: all up to the comparison but the service, the programs and the look.
LAST, LEFT_OUT = 10, (6, 8, 9)
STAFF = ("createsuperuser", "--noinput", "--username", "staff", "--email", "staff@example.org")


@pytest.mark.timeout(400)
def test_a_wheel_becomes_a_copy_that_equals_its_table(tmp_path: Path) -> None:
    install, settings, survey, tables, *others = [
        step for step in afternoon.steps() if step.number <= LAST and step.number not in LEFT_OUT
    ]
    wheel = installed.build(tmp_path / "wheel")
    (requirement,) = install.installs
    name, bracket, extras = requirement.partition("[")
    assert wheel.name.startswith(name.replace("-", "_"))

    began = time.monotonic()
    project = installed.Project(tmp_path / "project", installed.install(wheel, tmp_path / "environment", bracket + extras))
    project.folder.mkdir()
    typed = ["python -m venv", f"pip install {requirement}", "django-admin startproject"]
    pasted = []
    with embedded() as broker:
        project.run("-m", "django", "startproject", "shop", ".")

        def manage(*words: str) -> None:
            project.manage(*words, DJANGO_SUPERUSER_PASSWORD="gray-teapot-1815")
            typed.append(f"manage.py {' '.join(words)}")

        for step in (settings, survey, tables):
            for file, lines in step.lines.items():
                with (project.folder / file).open("a") as opened:
                    opened.write(f"\n{lines.replace(afternoon.BROKER, broker)}")
                pasted.append(lines)
            for words in step.commands:
                manage(*words)
        manage(*STAFF)  # so that the table has a row from before
        for words in (words for step in others for words in step.commands):
            manage(*words)
    seconds = time.monotonic() - began

    with closing(sqlite3.connect(project.folder / "db.sqlite3")) as connection:
        assert connection.execute("SELECT user_id, is_active, version FROM billing_cacheduser").fetchall() == [(1, 1, 1)]
    assert typed[-1] == "manage.py reconcile billing --from users"
    assert len(typed) <= MOST_COMMANDS
    assert code_lines(*pasted) == 2
    print("\n" + "\n".join(typed))
    print(f"{len(typed)} commands and {code_lines(*pasted)} lines in {seconds:.0f} s, from an empty environment")
