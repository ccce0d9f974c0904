"""Shared by the measurements of a single message: its events, the sizes, and the command line."""

import argparse
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from typing import Any

#: Numbers of events in a message.
SIZES = (1, 10, 100, 1000)
ROUNDS = 9


def run(
    about: str | None, name: str, measure: Callable[[int], list[dict[str, Any]]], table: Callable[[Any], Iterator[str]]
) -> None:
    """Measure each size. Prints the rows as `table` formats them, or as JSON under `name` (`--json`)."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DJANGO_SETTINGS_MODULE="config.settings", VAR_DIR=folder)
        import django

        django.setup()
        rows = [row for size in SIZES for row in measure(size)]
    if options.json:
        print(json.dumps({name: rows}))
    else:
        print(*table(rows), sep="\n")


def shown(rounds: tuple[float, float, float]) -> str:
    """Format the median, the fastest and the slowest."""
    return "{:.2f} ({:.2f}–{:.2f})".format(*rounds)


def event() -> dict[str, object]:
    """Make billing's copy of a suspension."""
    from django.utils import timezone

    from messaging.events.contract import envelope
    from users.events import UserSuspended
    from users.models import User
    from users.services import _event

    user = User(email="ada@example.org", name="Ada", status="suspended")
    whole = envelope(
        _event(user, UserSuspended),
        id=str(uuid.uuid4()),
        subject=str(user.pk),
        version=2,
        time=timezone.now(),
        correlation=str(uuid.uuid4()),
        causation=None,
    )
    return {**whole, "data": {name: whole["data"][name] for name in ("status", "status_since")}, "position": 1234}
