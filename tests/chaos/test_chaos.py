"""A short run of `make chaos`, and rules for every run: the plan depends only on the seed, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from config.env import ROOT
from tests.chaos.plan import COMMANDS, KEEPS, LOSES, ONLY, losing_until, schedule
from tests.probes import wait_for

SHORT = "25"


def chaos(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Run `python -m tests.chaos` with its temporary files in a folder of the test."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def left(folder: Path) -> list[str]:
    """Return the processes of a run in this folder that are still running."""
    found = []
    for process in psutil.process_iter(["environ", "cmdline", "status"]):
        place = (process.info["environ"] or {}).get("VAR_DIR", "") + " ".join(process.info["cmdline"] or [])
        if process.info["status"] != psutil.STATUS_ZOMBIE and str(folder) in place:
            found.append(f"{process.pid} {' '.join(process.info['cmdline'] or [])}")
    return found


@pytest.mark.timeout(600)
def test_a_short_run_converges_and_says_how_to_repeat_it(tmp_path: Path) -> None:
    running = chaos(tmp_path, "--seconds", SHORT, "--seed", "7", "--engine", "sqlite", "--json")
    out, err = running.communicate(timeout=540)
    said = json.loads(out.strip().splitlines()[-1])
    against = {claim: objections for claim, objections in said["checks"].items() if objections}
    assert (running.returncode, said["verdict"], against) == (0, "converged", {}), err[-3000:]
    assert said["repeat"] == f"make chaos SECONDS={SHORT} SEED=7 ENGINE=sqlite"
    assert {entry["fault"] for entry in said["faults"]} >= {"kill", "bomb", "stop"}
    assert said["counts"]["changes"] > said["counts"]["users"] > 0
    assert not left(tmp_path)
    assert not list(tmp_path.glob("chaos-*"))  # a successful run keeps nothing


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    running = chaos(tmp_path, "--seconds", "60", "--seed", "7", "--engine", "sqlite")
    wait_for(lambda: any("writer-1" in line for line in left(tmp_path)), timeout=90, what="the writers to be started")
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    wait_for(lambda: not left(tmp_path), timeout=30, what="every process to end", seen=lambda: left(tmp_path))


@pytest.mark.parametrize("words", [("--seconds", "1"), ("--seconds", "soon"), ("--engine", "oracle"), ("--seed", "x")])
def test_wrong_usage_is_exit_code_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    running = chaos(tmp_path, *words)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, "usage:" in err) == (2, True)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_same_seed_gives_the_same_plan_with_every_kind_in_it(engine: str) -> None:
    plan = schedule(7, 180, engine)
    assert plan == schedule(7, 180, engine)
    assert plan != schedule(8, 180, engine)
    assert {fault.kind for fault in plan} == {*KEEPS, *LOSES, *ONLY[engine], *COMMANDS, "away", "set back"}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", range(20))
def test_in_three_minutes_either_side_is_set_back(seed: int, engine: str) -> None:
    assert {fault.target for fault in schedule(seed, 180, engine) if fault.kind == "set back"} == {"users", "billing"}


@pytest.mark.parametrize("seed", range(20))
def test_in_its_second_part_nothing_loses_a_message(seed: int) -> None:
    turn = losing_until(300)
    for fault in schedule(seed, 300, "sqlite"):
        if fault.kind in (*LOSES, "away", "set back"):
            assert fault.at + fault.seconds <= turn
        assert fault.at < 300
