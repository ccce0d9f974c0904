"""Drift: one aggregate's rows on both sides of a comparison, and the rule of their difference's kind.

`kind_of` and `erased_here` are the rule; `search` asks them of each row that differs, and looks again at what may be on its way.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from messaging.consumer.cache import Cache
from messaging.errors import Denied, Unreachable
from messaging.fingerprints import fingerprints
from messaging.ledger import ledger
from messaging.settings import Alias

#: How a row of a copy may differ from its authority's, in the order in which people read them.
KINDS: Final = ("missing", "stale", "corrupt", "ghost", "ahead", "erased_here")


class State(NamedTuple):
    """A row, as far as a comparison goes."""

    version: int
    hash: str


def awaited(record: Mapping[str, Any] | None, before: int, frontier: int) -> bool:
    """Whether a change has its turn still to come: the consumer goes on applying, and hasn't got that far.

    `before` and `frontier`: how far it had got at two looks. From one that stands still, its worker dead or its queue held, nothing
    is awaited; nor is what was overtaken, as a change is that had no event.
    """
    if record is None or frontier <= before:
        return False
    return record["position"] is None or record["position"] > frontier


def kind_of(before: State | None, then: State | None, own: State | None) -> str:
    """How a row differs; "" where it doesn't; "moving" where it may be on its way.

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
    """Whether a row says that its aggregate was erased."""
    return row is not None and cache.tombstone is not None and bool(row.get(cache.tombstone[0]) == cache.tombstone[1])


def erased_here(cache: Cache, own: Mapping[str, Any] | None, authority: Mapping[str, Any] | None) -> bool:
    """Whether the copy knows as erased who is alive at the authority: a backup revived them. `authority` was read after `own`, so
    no event can bring the two together. One that was only deleted may be alive again."""
    return (
        own is not None
        and is_tombstone(cache, own)
        and not own.get("deleted")
        and authority is not None
        and not is_tombstone(cache, authority)
    )


def own_rows(using: Alias, cache: Cache, ids: Sequence[str], *, lock: bool = False) -> dict[str, dict[str, Any]]:
    """The cache's rows of these ids: the version, the fields, and `deleted` in a tombstone of a row that was only deleted. `lock`:
    until the transaction ends nobody else writes them."""
    rows = cache.model._base_manager.using(using).filter(pk__in=ids).order_by("pk")
    only_deleted: set[str] = set()
    if cache.follows:
        rows = rows.filter(**{f"{cache.version}__gt": 0})  # what began here is no copy
        only_deleted = ledger.only_deleted(using, cache.model._meta.label_lower, ids)
    names = cache.version, *cache.fields, *([cache.deleted] if cache.deleted else [])
    found = {}
    for key, version, *rest in (rows.select_for_update() if lock else rows).values_list(cache.key, *names):
        row = found[str(key)] = {"version": version, **dict(zip(cache.fields, rest, strict=False))}
        if str(key) in only_deleted or (cache.deleted and rest[-1]):
            row["deleted"] = True
    return found


def values_of(cache: Cache, record: Mapping[str, Any]) -> dict[str, Any]:
    """The authority's record as the row of a cache would be. Raises `Denied` where the consumer is registered for other fields,
    `Unreachable` for values of another kind than the fields have."""
    data = record["data"]
    if set(data) != set(cache.fields):
        given, kept = ", ".join(sorted(data)), ", ".join(sorted(cache.fields))
        raise Denied("other_fields", f"The consumer is registered for {given}, and its cache keeps {kept}: register what it keeps.")
    values = {"version": record["version"], **{name: data[name] for name in cache.fields}}
    try:
        if any(isinstance(value, list | dict) for value in values.values()):
            raise TypeError
        fingerprints.hash_of(cache, record["id"], values)
    except (TypeError, ValueError, AttributeError):
        raise Unreachable(
            f"The authority answered with values of another kind than {', '.join(sorted(cache.fields))} have."
        ) from None
    return values


def state_of(cache: Cache, key: str, row: Mapping[str, Any] | None) -> State | None:
    """A row's version and hash."""
    return None if row is None else State(row["version"], fingerprints.hash_of(cache, key, row))
