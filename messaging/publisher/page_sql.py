"""The changes of an authority's feed as JSON, which the database makes in one statement.

So a change's version and its facts come from the same moment, and Python doesn't parse rows only to write them again (measured: a
thousand changes took 37 ms of the server's time by the ORM, and take 2).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connections
from pydantic_core import from_json

from messaging.database.columns import column, escaped, field_of, sql_of
from messaging.database.expressions import dialect
from messaging.database.keys import key_sql
from messaging.database.tracked import gone_sql
from messaging.models import Ledger
from messaging.publisher.feed import CHANGED_AT, Feed
from messaging.settings import Alias

#: (position, the change as a JSON object)
PositionedChange = tuple[int | None, str]


def between(using: Alias, feed: Feed, fields: Sequence[str], since: int, end: int, limit: int) -> list[PositionedChange]:
    """The changes after `since` up to `end`, by position, at most `limit`."""
    return _changes(using, feed, fields, "position > %s AND position <= %s ORDER BY position LIMIT %s", [since, end, limit])


def of(using: Alias, feed: Feed, fields: Sequence[str], ids: Sequence[str]) -> list[PositionedChange]:
    """The present state of these aggregates, without unknown ones, and without deleted ones if the feed doesn't keep them."""
    if not ids:
        return []
    there = "" if feed.keeps_gone else "NOT deleted AND "
    return _changes(using, feed, fields, f"{there}aggregate_id IN ({', '.join(['%s'] * len(ids))})", list(ids))


def data(using: Alias, feed: Feed, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The whole data of these aggregates by id, also of deleted ones."""
    marks = ", ".join(["%s"] * len(ids))
    found = _changes(using, feed, feed.names, f"aggregate_id IN ({marks})", list(ids)) if ids else []
    changes = [from_json(text) for _, text in found]
    return {change["id"]: change["data"] for change in changes}


def gone_at(using: Alias, feed: Feed, id_: str) -> datetime | None:
    """When an aggregate changed last, if the feed shows its data as gone; else None."""
    found = _selected(using, feed, gone_sql(using, feed.tracked), "aggregate_id = %s", [id_])
    gone = bool(found and found[0][1])
    return Ledger.objects.using(using).get(aggregate=feed.aggregate, aggregate_id=id_).changed_at if gone else None


def _changes(using: Alias, feed: Feed, fields: Sequence[str], where: str, parameters: list[Any]) -> list[PositionedChange]:
    return _selected(using, feed, f"CAST({_change(using, feed, fields)} AS text)", where, parameters)


def _selected(using: Alias, feed: Feed, wanted: str, where: str, parameters: list[Any]) -> list[tuple[int | None, Any]]:
    """Select the entries first, then look up their rows. `wanted`: an expression over both, without parameters."""
    words = dialect(using)
    matches = key_sql(using, feed.tracked.key).matches(f't."{feed.tracked.key_column}"', "l.aggregate_id")
    statement = f"""
        SELECT l.position, {escaped(wanted)}
        FROM (SELECT * FROM messaging_ledger WHERE aggregate = %s AND {where}) l {words.looked_up(feed.tracked.quoted, matches)}
        ORDER BY l.position"""
    words.register_functions(using)
    with connections[using].cursor() as cursor:
        cursor.execute(statement, [feed.aggregate, *parameters])
        return list(cursor.fetchall())


def _change(using: Alias, feed: Feed, fields: Sequence[str]) -> str:
    """The SQL of a change as JSON, from an entry l and its row t."""
    words, model = dialect(using), feed.tracked.model
    changed_at = words.json(column(Ledger, "changed_at"), "l.changed_at")
    sources = {name: feed.source(name) for name in feed.names if name in fields}
    known = {name: words.json(field_of(model, source), sql_of(using, model, source, "t")) for name, source in sources.items()}
    instead = {name: feed.gone_value(name) for name in sources}
    gone = {name: changed_at if value is CHANGED_AT else words.json_literal(value) for name, value in instead.items()}
    return words.json_object(
        {
            "id": "l.aggregate_id",
            "version": "l.version",
            "position": "l.position",
            "deleted": words.json_boolean("l.deleted"),
            "erased": words.json_boolean("l.erased"),
            "time": changed_at,
            "announced": words.json_boolean("l.announced_version >= l.version"),
            "data": words.json_either(gone_sql(using, feed.tracked), words.json_object(gone), words.json_object(known)),
        }
    )
