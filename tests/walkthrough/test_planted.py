"""The chapters against a real `make run`: all green as the project is, and red where a line of a fix is taken out.

A walkthrough that can't fail would prove nothing. Each plant takes one line out of `messaging/`, in the running processes
(`planted/`), and the chapter that teaches this line must say so, by the check that is about it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.env import ROOT
from tests.running import Run
from walkthrough.chapters import chapter as by_number

pytestmark = pytest.mark.timeout(1800)
PLAY = 300

#: Chapter, plant, and the check that must turn red.
RED = [
    (3, "event_behind_the_commit", "Killed after the commit: the change and its event exist"),
    (3, "claim_without_a_transaction", "The new relay sends the event whose row the killed one had locked"),
    (4, "upsert_whatever_the_version", "Overtaken events are counted as obsolete, and change nothing"),
    (5, "page_without_a_checkpoint", "The checkpoint is at the end of page 12"),
    (7, "heartbeat_without_a_head", "A heartbeat brought the head of users' feed, so billing knows that its copy is behind"),
    (8, "nothing_is_pulled", "Billing's copy is equal again, and the broker is still stopped"),
]


class Stage:
    """The running system, and the file that switches a plant on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.plant = Path(run.environment["TEST_PLANT"])

    @contextmanager
    def planted(self, name: str) -> Iterator[None]:
        self.plant.write_text(name, encoding="utf-8")
        try:
            yield
        finally:
            self.plant.unlink()

    def tour(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`manage.py tour --yes`, as a person would type it."""
        return self.manage("tour", "--yes", *arguments)

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**self.run.environment, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PLAY,
        )

    def failed_checks(self, number: int) -> list[str]:
        """The claims that didn't hold when the chapter was played last."""
        kept = json.loads((self.run.folder / "walkthrough" / f"chapter-{number:02}.json").read_text(encoding="utf-8"))
        entries: list[dict[str, Any]] = [entry for played in kept["played"] for entry in played["entries"]]
        return [entry["claim"] for entry in entries if entry["kind"] == "check" and not entry["holds"]]


@pytest.fixture
def stage(whole_system: Run) -> Stage:
    return Stage(whole_system)


def test_without_a_plant_a_chapter_is_green(stage: Stage) -> None:
    """In a terminal; all of them are walked by their buttons in tests/browser, and red ones are asked for the check that failed."""
    done = stage.tour("--chapter", "4")
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"1 chapter, {len(by_number(4).steps) + 1} steps: all as expected." in done.stdout


def test_a_type_that_a_chapter_left_in_the_register_keeps_no_worker_from_the_next_one(stage: Stage) -> None:
    """As where chapter 10 was stopped half-way: the newer billing has registered, and the older one has to start again."""
    code = (
        "from messaging.models import Consumer; row = Consumer.objects.using('users').get(name='billing'); "
        "row.types.append('users.user.suspended.v2'); row.save(using='users')"
    )
    assert stage.manage("shell", "-v0", "-c", code).returncode == 0
    stage.run.read()
    stage.run.printed = ""  # what an earlier worker refused says nothing of this one
    os.kill(stage.run.pid_of("worker-billing"), signal.SIGKILL)  # supervisord starts it again, and it refuses
    stage.run.wait_for_line("which has no handler for it")
    done = stage.tour("--chapter", "0")
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize(("number", "plant", "claim"), RED, ids=[f"{number}-{plant}" for number, plant, _ in RED])
def test_with_its_line_taken_out_a_chapter_turns_red(stage: Stage, number: int, plant: str, claim: str) -> None:
    with stage.planted(plant):
        done = stage.tour("--chapter", str(number))
    assert done.returncode == 1, done.stdout[-6000:]
    assert stage.failed_checks(number)[:1] == [claim], done.stdout[-6000:]
