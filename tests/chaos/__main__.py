"""`make chaos`: run the whole system under random faults for a while, then check that it recovered.

    python -m tests.chaos --seconds 180 --seed 7 --engine sqlite --json

It runs on PostgreSQL (the server in `TEST_POSTGRES_URL`, or one from a wheel) or on SQLite, with its own broker. It always ends by
itself and leaves no process behind. Exit codes: 0 converged; 1 not; 2 wrong usage; 3 refused, with what to do; 130 interrupted.
"""

import argparse
import json
import os
import secrets
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from tests.chaos.plants import PLANTS

#: Seconds for preparing, settling and cleaning up together.
AROUND = 420
LEAST, MOST = 10, 24 * 3600


class OutOfTime(BaseException):
    """The run didn't end by itself."""


def main() -> int:
    options = _options()
    # Before any import of the project, which reads its environment at once.
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{options.seed}-"))
    os.environ["VAR_DIR"] = str(folder)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(round(options.seconds) + AROUND)
    from tests.chaos.conductor import Outcome, remove

    outcome, kept = Outcome(options.seed, options.seconds, options.engine), False
    try:
        code = _run(options, outcome, folder)
        kept = code == 1
        return code
    except Exception:
        kept = True
        print(f"The run itself failed. Logs and data: {folder}", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except OutOfTime:
        kept = True
        print(f"The run didn't end by itself and was stopped. Logs and data: {folder}", file=sys.stderr)
        return 1
    finally:
        if not kept:
            remove(folder)


def _run(options: argparse.Namespace, outcome: "Outcome", folder: Path) -> int:  # type: ignore[name-defined]  # noqa: F821
    import pytest

    from tests.chaos.conductor import Conductor, Unready
    from tests.engines import postgresql
    from tests.running import OURS, surroundings

    with ExitStack() as stack:
        urls: dict[str, str] = {}
        if options.engine == "postgresql":
            try:
                urls, _ = stack.enter_context(postgresql())
            except pytest.UsageError as reason:
                print(reason, file=sys.stderr)
                return 3
        inside, root = Path(__file__).with_name("inside"), Path(__file__).parents[2]
        environment = surroundings(folder, **urls, PYTHONPATH=f"{inside}{os.pathsep}{root}", PYTHONUNBUFFERED="1")
        if options.plant:
            environment["CHAOS_PLANT"] = options.plant
        for name in OURS - set(environment):
            os.environ.pop(name, None)
        os.environ.update(environment)
        from config import broker

        if not broker.is_embedded():
            print("No Valkey wheel fits this machine, but the run needs a broker that it can kill.", file=sys.stderr)
            return 3
        import django

        django.setup()
        from tests.chaos import report

        with report.progress(options.seconds) as progress:
            try:
                Conductor(outcome, folder, urls, environment, progress).run()
            except Unready as reason:
                print(f"The system didn't start: {reason}", file=sys.stderr)
                return 3
        logs = None if outcome.converged else folder
        if options.json:
            print(json.dumps({**outcome.as_dict(), "repeat": report.repeat(outcome), "logs": logs and str(logs)}))
        else:
            report.tables(outcome, logs)
    return 0 if outcome.converged else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=_seconds, default=180.0, help="cause faults for so long (default 180)")
    parser.add_argument("--seed", type=int, help="repeat the plan of a run with this seed, length and engine (default: a new seed)")
    parser.add_argument("--engine", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--json", action="store_true", help="print one machine-readable object on the last line")
    parser.add_argument("--plant", choices=PLANTS, help="run with this bug in every process; the run must then fail")
    options = parser.parse_args()
    if options.plant == "naive position" and options.engine == "sqlite":
        parser.error("SQLite has one writer at a time, so this bug does no harm there. Use --engine postgresql.")
    if options.seed is None:
        options.seed = secrets.randbelow(1_000_000)
    return options


def _seconds(text: str) -> float:
    value = float(text)
    if not LEAST <= value <= MOST:
        raise argparse.ArgumentTypeError(f"from {LEAST} to {MOST}")
    return value


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


if __name__ == "__main__":
    sys.exit(main())
