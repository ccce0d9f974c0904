"""Planted bugs for a run to find. Each removes the base of a guarantee in every process of the system."""

from types import ModuleType
from typing import Any

from tests.bending import Bend


def no_version_guard(upsert: ModuleType) -> None:
    """`upsert_newer` without its WHERE: the last event wins."""
    real = upsert._write

    def write(model: Any, fields: Any, rows: Any, conflict: str, *rest: Any) -> Any:
        return real(model, fields, rows, conflict.partition(" WHERE ")[0], *rest)

    upsert._write = write  # type: ignore[attr-defined]


def naive_position(postgresql: ModuleType) -> None:
    """The trigger takes the position from a sequence when the change is written, before its commit."""
    real = postgresql.install_trigger

    def install_trigger(connection: Any, tracked: Any) -> bool:
        fresh = real(connection, tracked)
        with connection.cursor() as cursor:
            cursor.execute("CREATE SEQUENCE IF NOT EXISTS naive_position")
            cursor.execute("SELECT pg_get_functiondef(%s::regproc)", [f"messaging_ledger_{tracked.table}"])
            (text,) = cursor.fetchone()
            text = text.replace("deleted, changed_at)", "deleted, changed_at, position)")
            text = text.replace("clock_timestamp())", "clock_timestamp(), nextval('public.naive_position'))")
            cursor.execute(text.replace("position = NULL", "position = excluded.position"))
        return bool(fresh)

    postgresql.install_trigger, postgresql.stamp = install_trigger, lambda using, limit: 0  # type: ignore[attr-defined]


def naive_head(sequencer: ModuleType) -> None:
    """The head is the highest visible position."""

    def head(using: str) -> int:
        from django.db import connections

        with connections[using].cursor() as cursor:
            cursor.execute(
                "INSERT INTO messaging_sequence (id, head, floor) SELECT 1, coalesce(max(position), 0), 0 FROM messaging_ledger "
                "ON CONFLICT (id) DO UPDATE SET head = excluded.head RETURNING head"
            )
            return int(cursor.fetchone()[0])

    sequencer.head = head  # type: ignore[attr-defined]


def ack_before_commit(celery: ModuleType) -> None:
    """A message is acknowledged when a worker takes it, before its effects are committed."""
    real = celery.configuration
    early = {"task_acks_late": False, "task_reject_on_worker_lost": False}
    celery.configuration = lambda: {**real(), **early}  # type: ignore[attr-defined]


def tombstone_dropped(caches: ModuleType) -> None:
    """The copy deletes erased users instead of keeping tombstones."""
    real = caches.apply_users

    def apply_users(events: Any, source: str) -> Any:
        outcome = real(events, source)
        caches.CachedUser.objects.using("billing").filter(status="erased").delete()
        return outcome

    caches.apply_users = apply_users  # type: ignore[attr-defined]
    cache = caches.CACHES["users"]
    caches.CACHES["users"] = type(cache)(**{**vars(cache), "apply": apply_users})


def purge_by_age(retention: ModuleType) -> None:
    """Retention checks a row's age, and not who has passed it."""
    retention._behind = lambda *arguments: []  # type: ignore[attr-defined]


def heads_alone(history: ModuleType) -> None:
    """A head that the copy has reached confirms it, whatever its history, so a side that was set back isn't noticed."""
    history.begin_doubt = lambda row, reason: None  # type: ignore[attr-defined]
    history.confirms = lambda row, mark: True  # type: ignore[attr-defined]
    history.contacted = lambda *answer: True  # type: ignore[attr-defined]


#: The modules that each plant changes, by its name.
PLANTS: dict[str, dict[str, Bend]] = {
    "no version guard": {"messaging.database.upsert": no_version_guard},
    "naive position": {"messaging.database.engines.postgresql": naive_position, "messaging.ledger.sequencer": naive_head},
    "ack before commit": {"messaging.celery": ack_before_commit},
    "tombstone dropped": {"billing.caches": tombstone_dropped},
    "purge by age": {"messaging.publisher.retention": purge_by_age},
    "heads alone": {"messaging.consumer.history": heads_alone},
}
