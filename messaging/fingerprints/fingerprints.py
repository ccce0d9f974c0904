"""Fingerprints: eleven characters that say if two databases hold the same rows in a range of ids.

A range's fingerprint is the exclusive or of its rows' hashes (`row_hash`), mixed with their number. It doesn't depend on order, and
each database computes its own, so equal ranges cost almost nothing on the wire. The SQL is in `queries`. The idea is range-based
set reconciliation: Meyer 2022, arXiv 2212.13567.

Bounds are ids or prefixes, ascending as texts. "" is open: as the first bound it includes the lowest id, as the last the highest.
A range is [from, to).
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.db import connections

from messaging.consumer.cache import Cache
from messaging.database import row_hash
from messaging.database.columns import column
from messaging.database.keys import bound_after
from messaging.fingerprints import queries
from messaging.ledger import entering
from messaging.publisher import unseen
from messaging.publisher.feed import Feed
from messaging.settings import Alias

#: A row as [id, version, hash].
Row = list[Any]
#: Rows listed per range. A list of this length may be incomplete.
MOST_LISTED = 1_000


class Measured(NamedTuple):
    """A range: its number of rows and its fingerprint."""

    rows: int
    text: str


def of_authority(using: Alias, feed: Feed, fields: Sequence[str], ranges: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the fingerprints between the bounds of each list, over every aggregate of the feed, tombstones included.

    A comparison begins with all ids. Then rows that no trigger saw are entered in the ledger first. Raises `BeingEntered`.
    """
    entering.require_entered(using, feed.aggregate)
    if any((bounds[0], bounds[-1]) == ("", "") for bounds in ranges):
        unseen.enter_rows(using, feed)
    return [[part.text for part in parts] for parts in _measured(queries.AuthorityQueries(using, feed, fields), ranges)]


def rows_of_authority(using: Alias, feed: Feed, fields: Sequence[str], ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    """Return the first `MOST_LISTED` rows of each range [from, to), by id. Raises `BeingEntered`."""
    entering.require_entered(using, feed.aggregate)
    return _rows(queries.AuthorityQueries(using, feed, fields), ranges)


def of_cache(using: Alias, cache: Cache, ranges: Sequence[Sequence[str]]) -> list[list[str]]:
    """Do the same as `of_authority` for the consumer's copy."""
    return [[part.text for part in parts] for parts in measured_of_cache(using, cache, ranges)]


def rows_of_cache(using: Alias, cache: Cache, ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    """Do the same as `rows_of_authority` for the consumer's copy."""
    return _rows(queries.CopyQueries(using, cache), ranges)


def measured_of_cache(using: Alias, cache: Cache, ranges: Sequence[Sequence[str]]) -> list[list[Measured]]:
    """Do the same as `of_cache`, with the number of rows of each range."""
    return _measured(queries.CopyQueries(using, cache), ranges)


def bounds_of_cache(using: Alias, cache: Cache, low: str, high: str, *, rows: int, parts: int) -> list[str]:
    """Return bounds that cut the copy's [low, high) of about `rows` rows into `parts` equal parts. Each is as short as possible."""
    side, key, step = queries.CopyQueries(using, cache), column(cache.model, cache.key), max(1, -(-rows // parts))
    with connections[using].cursor() as cursor:
        cursor.execute(*side.steps(side.bound(low), side.bound(high), step))
        found = [(str(key.to_python(before)), str(key.to_python(at))) for before, at in cursor.fetchall()]
    return [low, *(_shortest(before, at) for before, at in found), high]


def hash_of(cache: Cache, key: str, row: Mapping[str, Any]) -> str:
    """Return the hash of a row, given its version and its values by field; the same as `rows_of_cache` returns."""
    fields = [(row_hash.kind_of_field(column(cache.model, name)), name) for name in sorted(cache.fields)]
    return _text(row_hash.row_hash(key, row["version"], [row_hash.word(kind, row[name]) for kind, name in fields]))


def listed_to(cache: Cache, high: str, *lists: Sequence[Row]) -> str:
    """Return up to where all these lists of a range are complete: `high`, or right after the last row of the first full list."""
    lasts = [rows[-1][0] for rows in lists if len(rows) >= MOST_LISTED]
    return (bound_after(cache.key_kind, min(lasts)) or high) if lasts else high


def fingerprint(rows: int, mixed: int) -> Measured:
    """Return the fingerprint of a number of rows. `mixed`: the exclusive or of their hashes."""
    digest = hashlib.md5(f"{rows} {mixed}".encode(), usedforsecurity=False).digest()
    return Measured(rows, _text(int.from_bytes(digest[:8], "big")))


def _measured(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[Measured]]:
    """Measure the parts between the bounds of each list.

    Adjoining lists are read together: for most of a table, one scan takes half the time of sixteen index scans.
    """
    found: list[list[Measured]] = []
    for lists in _adjoining(ranges):
        parts = iter(_parts(side, [*(bound for bounds in lists for bound in bounds[:-1]), lists[-1][-1]]))
        found += [list(islice(parts, len(bounds) - 1)) for bounds in lists]
    return found


def _adjoining(ranges: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    """Group lists where each begins at the end of the one before."""
    groups: list[list[Sequence[str]]] = []
    for bounds in ranges:
        if bounds[0] and groups and groups[-1][-1][-1] == bounds[0]:
            groups[-1].append(bounds)
        else:
            groups.append([bounds])
    return groups


def _parts(side: queries.RangeQueries, bounds: Sequence[str]) -> list[Measured]:
    """Measure the parts between the bounds in one statement, so that all of it is read at one moment."""
    low, *inner, high = map(side.bound, bounds)
    counts, mixed = [0] * (len(bounds) - 1), [0] * (len(bounds) - 1)
    with side.engine.ready(side.using), connections[side.using].cursor() as cursor:
        cursor.execute(*side.sums(low, high, [bound for bound in inner if bound is not None]))
        for part, rows, first, second in cursor.fetchall():
            counts[part] += rows
            mixed[part] ^= first ^ second
    return [fingerprint(rows, hash_) for rows, hash_ in zip(counts, mixed, strict=True)]


def _rows(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    found = []
    with side.engine.ready(side.using), connections[side.using].cursor() as cursor:
        for low, high in ranges:
            cursor.execute(*side.rows(side.bound(low), side.bound(high), MOST_LISTED))
            found.append([[key, version, _text(first ^ second)] for key, version, first, second in cursor.fetchall()])
    return found


def _shortest(before: str, key: str) -> str:
    """Return the shortest prefix of `key` that sorts after `before`."""
    length = next(place for place in range(1, len(key) + 1) if key[:place] > before)
    return key[:length]


def _text(value: int) -> str:
    """Write 64 bits in eleven characters."""
    return base64.b64encode((value & row_hash.MASK).to_bytes(8, "big")).decode().rstrip("=")
