"""The SQL of fingerprints: over an authority's ledger and its model's table, and over a consumer's copy.

A statement is (SQL, parameters). `sums` selects (part, number of rows, hash, …), to be added up by part. `rows` selects
(id, version, hash, hash), by id. A row's hash is the exclusive or of both hashes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from django.db import models

from messaging.consumer.cache import Cache
from messaging.database import expressions, row_hash
from messaging.database.columns import column, escaped, field_of, sql_of
from messaging.database.keys import KeySql, id_sql, key_sql, text_of_bound
from messaging.database.tracked import gone_sql, literal
from messaging.models import Ledger
from messaging.publisher.feed import CHANGED_AT, Feed
from messaging.settings import Alias

Statement = tuple[str, list[Any]]
#: An id; None is no bound.
Bound = str | None
#: From an id up to another, without it.
Range = tuple[Bound, Bound]


class RangeQueries(ABC):
    """The statements that an authority and a copy share."""

    def __init__(self, using: Alias, key: "models.Field[Any, Any]") -> None:
        self.using = using
        self.engine = expressions.dialect(using)
        self.keys: KeySql = key_sql(using, key)

    def bound(self, text: str) -> Bound:
        """Return the lowest id that a bound includes."""
        return text_of_bound(self.keys.kind, text)

    @abstractmethod
    def sums(self, ranges: Sequence[Range], inner: Sequence[str]) -> Statement:
        """Select the number of rows and the hashes of these ranges, by part: the number of bounds in `inner` at or below the id."""

    def rows(self, low: Bound, high: Bound, limit: int) -> Statement:
        """Select the rows of a range, by id."""
        where, between = self.listed_keys.between(self.listed, low, high)
        return self._rows(where, limit), between

    def rows_of_each(self, ranges: Sequence[tuple[str, str]], limit: int) -> Statement | None:
        """Select the rows of each range with the range's number before them. None if it takes a statement for each range.

        A lateral join reads one range after the other, so each range's rows stay in order.
        """
        keys, kind = self.listed_keys, self.listed_keys.bound_type
        where = keys.within(self.listed, "r.low", "r.high")
        if where is None:
            return None
        bounds = f"unnest(%s::{kind}[], %s::{kind}[]) WITH ORDINALITY AS r(low, high, number)"
        lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
        return f"SELECT r.number - 1, x.* FROM {bounds} CROSS JOIN LATERAL ({self._rows(where, limit)}) x", [lows, highs]

    #: The column whose ids are listed, and its kind of key.
    listed: str
    listed_keys: KeySql

    @abstractmethod
    def _rows(self, where: str, limit: int) -> str:
        """Select the rows that fulfil a condition, by id."""


class CopyQueries(RangeQueries):
    """Statements over a consumer's copy."""

    def __init__(self, using: Alias, cache: Cache) -> None:
        super().__init__(using, column(cache.model, cache.key))
        self.table = f'"{cache.model._meta.db_table}"'
        self.key, self.version = (f't."{column(cache.model, name).column}"' for name in (cache.key, cache.version))
        self.listed, self.listed_keys = self.key, self.keys
        spelled = self.keys.spelled(self.key)
        fields = [column(cache.model, name) for name in sorted(cache.fields)]
        words = [self.engine.word(field, f't."{field.column}"') for field in fields]
        version = self.engine.word(column(cache.model, cache.version), self.version)
        self.hashes = self.engine.hash("v", spelled, version), self.engine.hash("f", spelled, *words)
        # Rows that were created here aren't copies.
        self.copied = f" AND {self.version} > 0" if cache.follows else ""

    def sums(self, ranges: Sequence[Range], inner: Sequence[str]) -> Statement:
        part, parameters = self.keys.part(self.key, inner)
        where, between = self._copies(ranges)
        mixed = ", ".join(f"{self.engine.xor}({hash_})" for hash_ in self.hashes)
        return f"SELECT {part}, count(*), {mixed} FROM {self.table} t WHERE {where} GROUP BY 1", [*parameters, *between]

    def _rows(self, where: str, limit: int) -> str:
        return (
            f"SELECT {self.keys.spelled(self.key)}, {self.version}, {', '.join(self.hashes)} FROM {self.table} t "
            f"WHERE {where}{self.copied} ORDER BY {self.keys.ordered(self.key)} LIMIT {limit}"
        )

    def steps(self, low: Bound, high: Bound, step: int) -> Statement:
        """Select every `step`th id but the first, each with the id before it."""
        where, between = self._copies([(low, high)])
        before, key = self.keys.spelled("before"), self.keys.spelled("id")
        return (
            f"SELECT {before}, {key} FROM (SELECT {self.key} AS id, lag({self.key}) OVER ids AS before, "
            f"row_number() OVER ids AS number FROM {self.table} t WHERE {where} "
            f"WINDOW ids AS (ORDER BY {self.keys.ordered(self.key)})) AS numbered "
            f"WHERE number > 1 AND (number - 1) %% {step} = 0 ORDER BY number",
            between,
        )

    def step(self, low: Bound, high: Bound, step: int) -> Statement:
        """Select the `step`th id and the one after it."""
        where, between = self._copies([(low, high)])
        spelled, ordered = self.keys.spelled(self.key), self.keys.ordered(self.key)
        return f"SELECT {spelled} FROM {self.table} t WHERE {where} ORDER BY {ordered} LIMIT 2 OFFSET {step - 1}", between

    def _copies(self, ranges: Sequence[Range]) -> Statement:
        where, between = _in_any(self.keys, self.key, ranges)
        return f"{where}{self.copied}", between


class AuthorityQueries(RangeQueries):
    """Statements over an authority's ledger, which knows every aggregate, and its model's table.

    An erased aggregate counts with the feed's `gone` values if its row is gone or doesn't hold a tombstone's values.
    """

    def __init__(self, using: Alias, feed: Feed, fields: Sequence[str]) -> None:
        super().__init__(using, feed.tracked.key)
        engine, tracked = self.engine, feed.tracked
        self.ids = id_sql(using, feed.tracked.key)
        self.listed, self.listed_keys = "l.aggregate_id", self.ids
        self.table, self.key = tracked.quoted, f't."{tracked.key_column}"'
        # Deleted entries count as rows only if the feed keeps them.
        self.keeps_gone = feed.keeps_gone
        self.aggregate = literal(feed.aggregate)
        sources = [(name, feed.source(name)) for name in sorted(feed.names) if name in fields]
        known = [(field_of(tracked.model, source), sql_of(using, tracked.model, source, "t")) for _, source in sources]
        words = [engine.word(field, escaped(sql)) for field, sql in known]
        instead = [self._gone(feed, name, field) for (name, _), (field, _) in zip(sources, known, strict=True)]
        self.gone, self.tombstone = escaped(gone_sql(using, tracked)), escaped(tracked.tombstone_sql(using, "t"))
        self.version = engine.hash("v", "l.aggregate_id", engine.word(column(Ledger, "version"), "l.version"))
        self.facts = engine.hash("f", self.keys.spelled(self.key), *words)
        self.gone_facts = engine.hash("f", "l.aggregate_id", *instead) if feed.keeps_gone else "0"
        self.matches = self.keys.matches(self.key, "l.aggregate_id")

    def sums(self, ranges: Sequence[Range], inner: Sequence[str]) -> Statement:
        """Sum versions over the ledger and facts over the model's table, without a join. The few deleted entries look up their
        rows. Where `gone` or nothing is shown instead of a row, its facts count again, so they cancel out.

        (An entry without a row that isn't a tombstone needs a trigger that was off. Its part is then listed and found equal.)
        """
        xor = self.engine.xor
        part, parts = self.ids.part("l.aggregate_id", inner)
        where, between = _in_any(self.ids, "l.aggregate_id", ranges)
        row_part, row_parts = self.keys.part(self.key, inner)
        row_where, row_between = _in_any(self.keys, self.key, ranges)
        counted = "true" if self.keeps_gone else "NOT l.deleted"
        # Not EXISTS: PostgreSQL would read the whole table for it.
        shown = f"l.deleted AND NOT coalesce((SELECT {self.tombstone} FROM {self.table} t WHERE {self.matches}), false)"
        but = f" AND NOT {self.tombstone}" if self.keeps_gone else ""
        hidden = f"(SELECT {self.facts} FROM {self.table} t WHERE {self.matches}{but})"
        statement = f"""
            SELECT {part}, count(CASE WHEN {counted} THEN 1 END), {xor}(CASE WHEN {counted} THEN {self.version} ELSE 0 END),
                {xor}(CASE WHEN {shown} THEN {self.gone_facts} ELSE 0 END),
                {xor}(CASE WHEN l.deleted THEN coalesce({hidden}, 0) ELSE 0 END)
            FROM messaging_ledger l WHERE {where} AND l.aggregate = {self.aggregate} GROUP BY 1
            UNION ALL
            SELECT {row_part}, 0, {xor}({self.facts}), 0, 0 FROM {self.table} t WHERE {row_where} GROUP BY 1"""
        return statement, [*parts, *between, *row_parts, *row_between]

    def _rows(self, where: str, limit: int) -> str:
        facts = f"CASE WHEN {self.gone} THEN {self.gone_facts} ELSE {self.facts} END"
        counted = "" if self.keeps_gone else " AND NOT l.deleted"
        return (
            f"SELECT l.aggregate_id, l.version, {self.version}, {facts} "
            f"FROM messaging_ledger l LEFT JOIN {self.table} t ON {self.matches} "
            f"WHERE {where} AND l.aggregate = {self.aggregate}{counted} ORDER BY l.aggregate_id LIMIT {limit}"
        )

    def _gone(self, feed: Feed, name: str, field: "models.Field[Any, Any]") -> str:
        """Return the SQL of a gone aggregate's fact."""
        value = feed.gone_value(name)
        if value is CHANGED_AT:
            return self.engine.time("l.changed_at")
        return escaped(literal(row_hash.word(row_hash.kind_of_field(field), value)))


def _in_any(keys: KeySql, column: str, ranges: Sequence[Range]) -> Statement:
    """The condition that an id is in one of these ranges."""
    found = [keys.between(column, low, high) for low, high in ranges]
    return f"({' OR '.join(where for where, _ in found)})", [bound for _, between in found for bound in between]
