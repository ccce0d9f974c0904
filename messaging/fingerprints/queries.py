"""The SQL of a comparison: over an authority's ledger and its model's table, and over a consumer's copy.

A statement is (SQL, parameters). `sums` selects (part, number of rows, hash, hash), to be added up by part. `rows` selects
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
    def sums(self, low: Bound, high: Bound, inner: Sequence[str]) -> Statement:
        """Select the number of rows and the hashes, by part."""

    @abstractmethod
    def rows(self, low: Bound, high: Bound, limit: int) -> Statement:
        """Select the rows of a range, by id."""


class CopyQueries(RangeQueries):
    """Statements over a consumer's copy."""

    def __init__(self, using: Alias, cache: Cache) -> None:
        super().__init__(using, column(cache.model, cache.key))
        self.table = f'"{cache.model._meta.db_table}"'
        self.key, self.version = (f't."{column(cache.model, name).column}"' for name in (cache.key, cache.version))
        spelled = self.keys.spelled(self.key)
        fields = [column(cache.model, name) for name in sorted(cache.fields)]
        words = [self.engine.word(field, f't."{field.column}"') for field in fields]
        version = self.engine.word(column(cache.model, cache.version), self.version)
        self.hashes = self.engine.hash("v", spelled, version), self.engine.hash("f", spelled, *words)
        # Rows that were created here aren't copies.
        self.copied = f" AND {self.version} > 0" if cache.follows else ""

    def sums(self, low: Bound, high: Bound, inner: Sequence[str]) -> Statement:
        part, parameters = self.keys.part(self.key, inner)
        where, between = self._copies(low, high)
        mixed = ", ".join(f"{self.engine.xor}({hash_})" for hash_ in self.hashes)
        return f"SELECT {part}, count(*), {mixed} FROM {self.table} t WHERE {where} GROUP BY 1", [*parameters, *between]

    def rows(self, low: Bound, high: Bound, limit: int) -> Statement:
        where, between = self._copies(low, high)
        return (
            f"SELECT {self.keys.spelled(self.key)}, {self.version}, {', '.join(self.hashes)} FROM {self.table} t WHERE {where} "
            f"ORDER BY {self.keys.ordered(self.key)} LIMIT {limit}",
            between,
        )

    def steps(self, low: Bound, high: Bound, step: int) -> Statement:
        """Select every `step`th key but the first, each with the key before it."""
        where, between = self._copies(low, high)
        return (
            f"SELECT before, id FROM (SELECT {self.key} AS id, lag({self.key}) OVER ids AS before, row_number() OVER ids AS number "
            f"FROM {self.table} t WHERE {where} WINDOW ids AS (ORDER BY {self.keys.ordered(self.key)})) AS numbered "
            f"WHERE number > 1 AND (number - 1) %% {step} = 0 ORDER BY number",
            between,
        )

    def _copies(self, low: Bound, high: Bound) -> Statement:
        where, between = self.keys.between(self.key, low, high)
        return f"{where}{self.copied}", between


class AuthorityQueries(RangeQueries):
    """Statements over an authority's ledger, which knows every aggregate, and its model's table.

    An erased aggregate counts with the feed's `gone` values if its row is gone or doesn't hold a tombstone's values.
    """

    def __init__(self, using: Alias, feed: Feed, fields: Sequence[str]) -> None:
        super().__init__(using, feed.tracked.key)
        engine, tracked = self.engine, feed.tracked
        self.ids = id_sql(using)
        self.table, self.key = tracked.quoted, f't."{tracked.key_column}"'
        # Deleted entries count as rows only if the feed keeps them.
        self.counted = "" if feed.keeps_gone else " AND NOT l.deleted"
        self.aggregate = literal(feed.aggregate)
        sources = [(name, feed.source(name)) for name in sorted(feed.names) if name in fields]
        known = [(field_of(tracked.model, source), sql_of(using, tracked.model, source, "t")) for _, source in sources]
        words = [engine.word(field, escaped(sql)) for field, sql in known]
        instead = [self._gone(feed, name, field) for (name, _), (field, _) in zip(sources, known, strict=True)]
        self.gone = escaped(gone_sql(using, tracked))
        self.version = engine.hash("v", "l.aggregate_id", engine.word(column(Ledger, "version"), "l.version"))
        self.facts = engine.hash("f", self.keys.spelled(self.key), *words)
        self.gone_facts = engine.hash("f", "l.aggregate_id", *instead) if feed.keeps_gone else "0"
        self.joined = f"messaging_ledger l LEFT JOIN {self.table} t ON {self.keys.matches(self.key, 'l.aggregate_id')}"

    def sums(self, low: Bound, high: Bound, inner: Sequence[str]) -> Statement:
        """Sum versions over the ledger and facts over the model's table, without a join; then correct the facts of tombstones.

        (An entry without a row that isn't a tombstone needs a trigger that was off. Its part is then listed and found equal.)
        """
        xor = self.engine.xor
        part, parts = self.ids.part("l.aggregate_id", inner)
        where, between = self._entries(low, high)
        row_part, row_parts = self.keys.part(self.key, inner)
        row_where, row_between = self.keys.between(self.key, low, high)
        known = f"CASE WHEN {self.key} IS NULL THEN 0 ELSE {self.facts} END"
        statement = f"""
            SELECT {part}, count(*), {xor}({self.version}), 0 FROM messaging_ledger l WHERE {where}{self.counted} GROUP BY 1
            UNION ALL
            SELECT {row_part}, 0, {xor}({self.facts}), 0 FROM {self.table} t WHERE {row_where} GROUP BY 1
            UNION ALL
            SELECT {part}, 0, {xor}({self.gone_facts}), {xor}({known}) FROM {self.joined}
            WHERE {where} AND l.deleted AND {self.gone} GROUP BY 1"""
        return statement, [*parts, *between, *row_parts, *row_between, *parts, *between]

    def rows(self, low: Bound, high: Bound, limit: int) -> Statement:
        where, between = self._entries(low, high)
        return (
            f"SELECT l.aggregate_id, l.version, {self.version}, CASE WHEN {self.gone} THEN {self.gone_facts} ELSE {self.facts} END "
            f"FROM {self.joined} WHERE {where}{self.counted} ORDER BY l.aggregate_id LIMIT {limit}",
            between,
        )

    def _entries(self, low: Bound, high: Bound) -> Statement:
        where, between = self.ids.between("l.aggregate_id", low, high)
        return f"{where} AND l.aggregate = {self.aggregate}", between

    def _gone(self, feed: Feed, name: str, field: "models.Field[Any, Any]") -> str:
        """Return the SQL of a gone aggregate's fact."""
        value = feed.gone_value(name)
        if value is CHANGED_AT:
            return self.engine.time("l.changed_at")
        return escaped(literal(row_hash.word(row_hash.kind_of_field(field), value)))
