"""Fingerprints: whether two sides hold the same rows of a range of ids, told by eleven characters.

A range's fingerprint is the exclusive or of its rows' hashes (`row_hash`), mixed with their number. So it doesn't depend on order,
each side computes it where its rows are, and what is equal crosses the wire as next to nothing. The SQL is in `queries`.
Range-based set reconciliation: Meyer 2022, arXiv 2212.13567.

Bounds are ids or beginnings of ids, ascending; "" is the beginning at the first place and the end at the last. A range is
[from, to).
"""

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.db import connections

from messaging.consumer.cache import Cache
from messaging.database import row_hash
from messaging.database.upsert import column
from messaging.fingerprints import queries
from messaging.publisher import unseen
from messaging.publisher.feed import Feed
from messaging.settings import Alias

#: A row as [id, version, hash].
Row = list[Any]
#: Rows that are listed of one range; where there are as many, there may be more behind the last.
MOST_LISTED = 1_000


class Measured(NamedTuple):
    """A range: its number of rows and its fingerprint."""

    rows: int
    text: str


def of_authority(using: Alias, feed: Feed, fields: Sequence[str], ranges: Sequence[Sequence[str]]) -> list[list[str]]:
    """For each list of bounds the fingerprints between them, over every aggregate of the feed, tombstones too.
    Where all of them are asked for, which is how a comparison begins, rows are entered in the ledger that no trigger saw."""
    if any((bounds[0], bounds[-1]) == ("", "") for bounds in ranges):
        unseen.enter_rows(using, feed)
    return [[part.text for part in parts] for parts in _measured(queries.AuthorityQueries(using, feed, fields), ranges)]


def rows_of_authority(using: Alias, feed: Feed, fields: Sequence[str], ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    """For each [from, to) its rows, by id, the first `MOST_LISTED` of them."""
    return _rows(queries.AuthorityQueries(using, feed, fields), ranges)


def of_cache(using: Alias, cache: Cache, ranges: Sequence[Sequence[str]]) -> list[list[str]]:
    """`of_authority`, for the consumer's own rows."""
    return [[part.text for part in parts] for parts in measured_of_cache(using, cache, ranges)]


def rows_of_cache(using: Alias, cache: Cache, ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    """`rows_of_authority`, for the consumer's own rows."""
    return _rows(queries.CopyQueries(using, cache), ranges)


def measured_of_cache(using: Alias, cache: Cache, ranges: Sequence[Sequence[str]]) -> list[list[Measured]]:
    """`of_cache`, with the number of rows."""
    return _measured(queries.CopyQueries(using, cache), ranges)


def bounds_of_cache(using: Alias, cache: Cache, low: str, high: str, *, rows: int, parts: int) -> list[str]:
    """Bounds that cut the cache's [low, high), of about so many rows, into equal parts; each as short as it can be."""
    step = max(1, -(-rows // parts))
    with connections[using].cursor() as cursor:
        cursor.execute(*queries.CopyQueries(using, cache).steps(_key(low), _key(high), step))
        found = [(_id(before), _id(key)) for before, key in cursor.fetchall()]
    return [low, *(_shortest(before, key) for before, key in found), high]


def hash_of(cache: Cache, key: str, row: Mapping[str, Any]) -> str:
    """The hash of a row that is known by its values (field to value, and the version), as `rows_of_cache` says it."""
    fields = [(row_hash.kind_of_field(column(cache.model, name)), name) for name in sorted(cache.fields)]
    return _text(row_hash.row_hash(key, row["version"], [row_hash.word(kind, row[name]) for kind, name in fields]))


def listed_to(high: str, *lists: Sequence[Row]) -> str:
    """The end of what these lists of rows of one range cover together: `high`, or where the first list that is full ends."""
    ends = [uuid.UUID(rows[-1][0]).int + 1 for rows in lists if len(rows) >= MOST_LISTED]
    end = min(ends, default=2**128)
    return high if end >= 2**128 else str(uuid.UUID(int=end))


def fingerprint(rows: int, mixed: int) -> Measured:
    """The fingerprint of so many rows, whose hashes' exclusive or this is."""
    digest = hashlib.md5(f"{rows} {mixed}".encode(), usedforsecurity=False).digest()
    return Measured(rows, _text(int.from_bytes(digest[:8], "big")))


def _measured(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[Measured]]:
    """For each list of bounds the parts between them. Lists that adjoin are read together: where most of a table is asked for, one
    scan of it takes half the time of sixteen walks along its index."""
    found: list[list[Measured]] = []
    for lists in _adjoining(ranges):
        parts = iter(_parts(side, [*(bound for bounds in lists for bound in bounds[:-1]), lists[-1][-1]]))
        found += [list(islice(parts, len(bounds) - 1)) for bounds in lists]
    return found


def _adjoining(ranges: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    """The lists in their order, those together that begin where the one before ends."""
    groups: list[list[Sequence[str]]] = []
    for bounds in ranges:
        if bounds[0] and groups and groups[-1][-1][-1] == bounds[0]:
            groups[-1].append(bounds)
        else:
            groups.append([bounds])
    return groups


def _parts(side: queries.RangeQueries, bounds: Sequence[str]) -> list[Measured]:
    """The parts between the bounds, by one statement: what it reads is of one moment."""
    inner = [key for key in map(_key, bounds[1:-1]) if key is not None]
    counts, mixed = [0] * (len(bounds) - 1), [0] * (len(bounds) - 1)
    with side.engine.ready(side.using), connections[side.using].cursor() as cursor:
        cursor.execute(*side.sums(_key(bounds[0]), _key(bounds[-1]), inner))
        for part, rows, first, second in cursor.fetchall():
            counts[part] += rows
            mixed[part] ^= first ^ second
    return [fingerprint(rows, hash_) for rows, hash_ in zip(counts, mixed, strict=True)]


def _rows(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    found = []
    with side.engine.ready(side.using), connections[side.using].cursor() as cursor:
        for low, high in ranges:
            cursor.execute(*side.rows(_key(low), _key(high), MOST_LISTED))
            found.append([[key, version, _text(first ^ second)] for key, version, first, second in cursor.fetchall()])
    return found


def _key(bound: str) -> uuid.UUID | None:
    """The lowest id that begins so; None for ""."""
    return uuid.UUID(bound.replace("-", "").ljust(32, "0")[:32]) if bound else None


def _id(key: Any) -> str:
    return str(key) if isinstance(key, uuid.UUID) else str(uuid.UUID(key))


def _shortest(before: str, key: str) -> str:
    """The shortest beginning of `key` that lies behind `before`."""
    length = next(place for place in range(1, len(key) + 1) if key[:place] > before)
    return key[:length]


def _text(value: int) -> str:
    """64 bits in eleven characters."""
    return base64.b64encode((value & row_hash.MASK).to_bytes(8, "big")).decode().rstrip("=")
