"""Profiles a bootstrap with py-spy: the share of time that each thread of the consumer and the authority spends on each task.

`python -m benchmarks.profiling --users 100000`. It does the work of `benchmarks.bootstrap --quiet` and samples both programs 200
times a second, including waits. py-spy starts the programs itself, so it needs root only on macOS.
"""

import argparse
import json
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.bootstrap import PAGE, seed
from benchmarks.options import say
from benchmarks.processes import wait_for
from benchmarks.serving import register, web_server
from benchmarks.surroundings import migrated

RATE = 200
#: (a frame, the task it belongs to); the innermost listed frame counts.
CONSUMER = (
    ("pages (messaging/replica/pull.py", "applying: waits for the next page"),
    ("events (messaging/replica/changes.py", "applying: events of the page"),
    ("apply_users (billing/caches.py", "applying: rows of the events"),
    ("upsert_newer (messaging/database/upsert.py", "applying: rows of the events"),
    ("values_source (messaging/database/engines/postgresql.py", "applying: rows as parameters"),
    ("_write (messaging/database/upsert.py", "applying: the upsert, in the database"),
    ("_flag_late_invoices (billing/caches.py", "applying: whether an invoice came too early"),
    ("apply_page (messaging/replica/pull.py", "applying: checkpoint and commit"),
    ("_compared (messaging/replica/bootstrap.py", "applying: the comparison"),
    ("_run (messaging/replica/bootstrap.py", "applying: the rest"),
    ("_answer (messaging/replica/client.py", "reading: waits for the answer"),
    ("plain (messaging/replica/answers.py", "reading: gunzip"),
    ("read (messaging/replica/changes.py", "reading: JSON"),
)
AUTHORITY = (
    ("compress (gzip", "gzip"),
    ("_compress (messaging/http/gzip.py", "gzip"),
    ("execute (django/db/backends", "SQL"),
    ("execute (psycopg", "SQL"),
    ("handle_one_request (django/core/servers", "Django and the rest"),
    ("readline (socket", "waits for a question"),
    ("readinto (socket", "waits for a question"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--page-size", type=int, default=PAGE)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with migrated("users", "billing"), tempfile.TemporaryDirectory(prefix="bench-profile-") as folder:
        say(profile(options.users, options.page_size, Path(folder)), options.json)


def profile(users: int, page_size: int, folder: Path) -> dict[str, Any]:
    """Return the bootstrap's own result, and each task's share of both programs' time in percent."""
    seed(users)
    register()
    command, answers = web_server()
    web = _watched(folder / "authority", *command)
    try:
        wait_for(answers)
        words = ("manage.py", "bootstrap", "billing", "--from", "users", "--page-size", str(page_size), "--json")
        said, _ = _watched(folder / "consumer", *words).communicate()
    finally:
        web.send_signal(signal.SIGINT)
        web.communicate(timeout=30)
    booted = json.loads(next(line for line in said.splitlines() if line.startswith("{")))  # py-spy prints there too
    took = booted["rows"] / booted["rows_per_second"]
    return {
        "rows_per_second": booted["rows_per_second"],
        **{f"consumer, {what}, %": share for what, share in _shares(folder / "consumer", CONSUMER, took).items()},
        **{f"authority, {what}, %": share for what, share in _shares(folder / "authority", AUTHORITY, took).items()},
    }


def _watched(samples: Path, *command: str) -> subprocess.Popen[str]:
    spy = Path(sysconfig.get_path("scripts")) / "py-spy"
    if not spy.exists():
        raise SystemExit("py-spy is missing. Run: make .venv/.dev")
    looks = ("record", "--nonblocking", "--rate", str(RATE), "--format", "raw", "--idle", "--threads", "--output", str(samples))
    return subprocess.Popen(
        [str(spy), *looks, "--", sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _shares(samples: Path, stages: tuple[tuple[str, str], ...], seconds: float) -> dict[str, float]:
    """Read the samples: one line per stack, outermost frame first: `frame;frame;frame 12`."""
    found: Counter[str] = Counter()
    for line in samples.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        for frame in reversed(stack.split(";")):
            name, _, place = frame.partition(" (")
            plain = f"{name.rpartition('.')[2]} ({place}"  # a method's class is before it
            stage = next((what for start, what in stages if plain.startswith(start)), None)
            if stage:
                found[stage] += int(number)
                break
    return {what: round(100 * count / RATE / seconds, 1) for what, count in found.most_common()}


if __name__ == "__main__":
    main()
