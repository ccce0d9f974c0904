"""Drift: how an aggregate's row in a copy differs from the authority's.

`kind_of` and `erased_here` are the rules. `search` applies them to each differing row, and checks again those that may be on their
way.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from messaging.consumer.cache import Cache
from messaging.errors import Denied, Unreachable
from messaging.fingerprints import fingerprints
from messaging.ledger import ledger
from messaging.settings import Alias

#: The kinds of difference, in the order in which they are shown.
KINDS: Final = ("missing", "stale", "corrupt", "ghost", "ahead", "erased_here")


class State(NamedTuple):
    """A row's version and hash, by which it is compared."""

    version: int
    hash: str


def awaited(record: Mapping[str, Any] | None, before: int, frontier: int) -> bool:
    """Return True if a change may still arrive: the consumer is making progress and hasn't reached the change's position.

    `before` and `frontier`: its highest position at two looks. A consumer without progress (its worker is dead, its queue paused)
    awaits nothing. A change below its frontier was overtaken, so no event will bring it.
    """
    if record is None or frontier <= before:
        return False
    return record["position"] is None or record["position"] > frontier


def kind_of(before: State | None, then: State | None, own: State | None) -> str:
    """Return how a row differs: one of `KINDS`, "" if it doesn't, or "moving" if a change may be on its way.

    `before` and `then`: the authority's row, first and now. `own` was read between them, long after `before`.
    """
    if own == then:
        return ""
    if then is None:
        return "ghost" if before is None else "moving"
    if own is None:
        return "missing" if before is not None else "moving"
    if own.version > then.version:
        return "ahead"
    if own.version < then.version:
        return "stale" if before is not None and own.version < before.version else "moving"
    return "corrupt" if before == then else "moving"


def is_tombstone(cache: Cache, row: Mapping[str, Any] | None) -> bool:
    """Return True if a row is the tombstone of an erased aggregate."""
    return row is not None and cache.tombstone is not None and bool(row.get(cache.tombstone[0]) == cache.tombstone[1])


def erased_here(cache: Cache, own: Mapping[str, Any] | None, authority: Mapping[str, Any] | None) -> bool:
    """Return True if a row is erased in the copy but alive at the authority, because a backup revived it.

    `authority` was read after `own`, so no late event explains it. A row that was only deleted may be alive again.
    """
    return (
        own is not None
        and is_tombstone(cache, own)
        and not own.get("deleted")
        and authority is not None
        and not is_tombstone(cache, authority)
    )


def own_rows(using: Alias, cache: Cache, ids: Sequence[str], *, lock: bool = False) -> dict[str, dict[str, Any]]:
    """Return the copy's rows by id: version, fields, and `deleted` if the row was deleted but not erased.

    `lock`: lock the rows until the transaction ends.
    """
    rows = cache.model._base_manager.using(using).filter(pk__in=ids).order_by("pk")
    only_deleted: set[str] = set()
    if cache.follows:
        rows = rows.filter(**{f"{cache.version}__gt": 0})  # rows that were created here aren't copies
        only_deleted = ledger.only_deleted(using, ledger.aggregate_of(cache.model), ids)
    names = cache.version, *cache.fields, *([cache.deleted] if cache.deleted else [])
    found = {}
    for key, version, *rest in (rows.select_for_update() if lock else rows).values_list(cache.key, *names):
        row = found[str(key)] = {"version": version, **dict(zip(cache.fields, rest, strict=False))}
        if str(key) in only_deleted or (cache.deleted and rest[-1]):
            row["deleted"] = True
    return found


def values_of(cache: Cache, record: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the authority's record into values of the copy's columns.

    Raises `Denied` if the consumer is registered for other fields, and `Unreachable` for values of the wrong type.
    """
    data = record["data"]
    if set(data) != set(cache.fields):
        given, kept = ", ".join(sorted(data)) or "none", sorted(cache.fields)
        raise Denied(
            "other_fields",
            f"The copy keeps the fields {', '.join(kept)}, but its consumer is registered for {given}. Where the authority runs: "
            f"manage.py consumers register CONSUMER --to AUTHORITY --fields {','.join(kept)}",
        )
    values = {"version": record["version"], **{name: data[name] for name in cache.fields}}
    try:
        if any(isinstance(value, list | dict) for value in values.values()):
            raise TypeError
        fingerprints.hash_of(cache, record["id"], values)
    except (TypeError, ValueError, AttributeError):
        raise Unreachable(
            f"The authority returned a value of the wrong type for one of {', '.join(sorted(cache.fields))}."
        ) from None
    return values


def state_of(cache: Cache, key: str, row: Mapping[str, Any] | None) -> State | None:
    """Return a row's version and hash."""
    return None if row is None else State(row["version"], fingerprints.hash_of(cache, key, row))
