"""Planted regressions: one line of a fix taken out of `messaging/`, in the real processes, while they run.

Each is a function that gets the freshly imported module and bends it. Whether it acts is asked at each call: the file that
`TEST_PLANT` names holds the name of the plant that is on, so one running system serves all of them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

Bend = Callable[[ModuleType], None]
FILE = Path(os.environ.get("TEST_PLANT", "/nonexistent"))


def on(name: str) -> bool:
    """Whether this plant is in now."""
    try:
        return FILE.read_text(encoding="utf-8").strip() == name
    except OSError:
        return False


def event_behind_the_commit(outbox: ModuleType) -> None:
    """`record_many`: the event's row is written when the transaction is through, as `on_commit` invites to."""
    real = outbox.insert_new

    @wraps(real)
    def insert_new(model: Any, rows: Any, **values: Any) -> Any:
        if not on("event_behind_the_commit"):
            return real(model, rows, **values)
        from django.db import transaction

        transaction.on_commit(lambda: real(model, rows, **values), using=values["using"])
        return set()

    outbox.insert_new = insert_new  # type: ignore[attr-defined]


def claim_without_a_transaction(claim: ModuleType) -> None:
    """`run_once`: what is claimed counts as sent before it is."""
    real = claim.claimed

    @contextmanager
    def claimed(*words: Any) -> Iterator[Any]:
        with nullcontext(claim.claim(*words)) if on("claim_without_a_transaction") else real(*words) as found:
            yield found

    claim.claimed = claimed  # type: ignore[attr-defined]


def upsert_whatever_the_version(upsert: ModuleType) -> None:
    """`upsert_newer`: without its WHERE, the last to come wins."""
    real = upsert._write

    @wraps(real)
    def write(model: Any, fields: Any, rows: Any, conflict: str, *rest: Any) -> Any:
        if on("upsert_whatever_the_version"):
            conflict = conflict.partition(" WHERE ")[0]
        return real(model, fields, rows, conflict, *rest)

    upsert._write = write  # type: ignore[attr-defined]


def page_without_a_checkpoint(pull: ModuleType) -> None:
    """`apply_page`: the page is applied, and the checkpoint stays where it was."""
    real = pull.checkpoints

    def advance_ranges(checkpoint: int, ahead: Any, positions: Any) -> Any:
        return (checkpoint, []) if on("page_without_a_checkpoint") else real.advance_ranges(checkpoint, ahead, positions)

    pull.checkpoints = SimpleNamespace(**{**vars(real), "advance_ranges": advance_ranges})  # type: ignore[attr-defined]


def heartbeat_without_a_head(tasks: ModuleType) -> None:
    """`heartbeat`: a sign of life alone. Where the authority's head is, nobody hears."""
    real = tasks.checkpoints

    def record_heartbeat(consumer: str, authority: str, head: int, at: Any, mark: str) -> None:
        real.record_heartbeat(consumer, authority, 0 if on("heartbeat_without_a_head") else head, at, mark)

    tasks.checkpoints = SimpleNamespace(**{**vars(real), "record_heartbeat": record_heartbeat})  # type: ignore[attr-defined]


def nothing_is_pulled(sync: ModuleType) -> None:
    """`SyncProcess._sync`: without its `_fill`, what no event brought is waited for."""
    real = sync.SyncProcess._fill

    @wraps(real)
    def fill(*arguments: Any) -> None:
        if not on("nothing_is_pulled"):
            real(*arguments)

    sync.SyncProcess._fill = fill


#: Module to what is planted in it.
PLANTS: dict[str, Bend] = {
    "messaging.publisher.outbox": event_behind_the_commit,
    "messaging.publisher.claim": claim_without_a_transaction,
    "messaging.database.upsert": upsert_whatever_the_version,
    "messaging.replica.pull": page_without_a_checkpoint,
    "messaging.tasks": heartbeat_without_a_head,
    "messaging.replica.sync": nothing_is_pulled,
}
