"""What a worker says before it begins."""

from pathlib import Path

import pytest

from config.env import ROOT
from tests import warm
from tests.commands.calling import call
from tests.running import surroundings
from tests.signing import needs_signing


@needs_signing
@pytest.mark.parametrize(
    "command",
    [["manage.py", "worker", "billing"], ["-m", "celery", "--quiet", "-A", "config", "worker", "-Q", "billing"]],
    ids=["manage.py worker", "as earlier releases start it"],
)
def test_a_worker_that_could_check_no_sender_does_not_start(tmp_path: Path, command: list[str]) -> None:
    environment = surroundings(tmp_path / "var", CONTEXTS="billing", CELERY_BROKER_URL="memory://")
    done = warm.run(command, cwd=ROOT, env=environment, timeout=60)
    assert (done.returncode, "billing has no public key of users." in done.stderr) == (3, True), done.stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nowhere"], 2, "'nowhere' is not a context of this process. Use one of: users, billing, monolith."),
        (["monolith"], 3, "monolith handles no events: its table of handlers is empty, so it has no queue and needs no worker."),
        (["billing", "--concurrency", "0"], 2, "--concurrency 0: a worker needs at least 1 process."),
    ],
)
def test_a_worker_that_could_do_nothing_is_refused(words: list[str], code: int, sentence: str) -> None:
    refused = call("worker", *words)
    assert (refused.code, refused.err) == (code, sentence)
