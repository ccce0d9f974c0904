"""Fingerprints: eleven characters that say if two databases hold the same rows in a range of ids.

A range's fingerprint is the exclusive or of its rows' hashes (`row_hash`), mixed with their number. It doesn't depend on order, and
each database computes its own, so equal ranges cost almost nothing on the wire. The SQL is in `queries`. The idea is range-based
set reconciliation: Meyer 2022, arXiv 2212.13567.

Bounds are ids or prefixes, ascending as texts. "" is open: as the first bound it includes the lowest id, as the last the highest.
A range is [from, to).
"""

import hashlib
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from operator import xor
from typing import Any, NamedTuple

from django.db import connections

from messaging.consumer.cache import Cache
from messaging.database import row_hash
from messaging.database.columns import column
from messaging.database.keys import bound_after
from messaging.fingerprints import queries
from messaging.fingerprints.queries import Bound
from messaging.ledger import entering
from messaging.publisher import unseen
from messaging.publisher.feed import Feed
from messaging.settings import Alias

#: A row as [id, version, hash].
Row = list[Any]
#: From so many rows in a part on, its bounds are found by walking along the index (a million rows: 0.1 s instead of 0.7).
WALKED_ROWS = 500
#: Rows listed per range. A list of this length may be incomplete.
MOST_LISTED = 1_000


class Measured(NamedTuple):
    """A range: its number of rows and its fingerprint."""

    rows: int
    text: str


class _Piece(NamedTuple):
    """The bounds of a range's parts, and the number of parts after them that no id can be in."""

    bounds: list[Bound]
    empty: int


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
    side, step = queries.CopyQueries(using, cache), max(1, -(-rows // parts))
    found = (_walked if step >= WALKED_ROWS and side.keys.along_index else _numbered)(side, low, high, step)
    return [low, *(_shortest(before, at) for before, at in found), high]


def hash_of(cache: Cache, key: str, row: Mapping[str, Any]) -> str:
    """Return the hash of a row, given its version and its values by field; the same as `rows_of_cache` returns."""
    fields = [(row_hash.kind_of_field(column(cache.model, name)), name) for name in sorted(cache.fields)]
    return _text_of(row_hash.row_hash(key, row["version"], [row_hash.word(kind, row[name]) for kind, name in fields]))


def listed_to(cache: Cache, high: str, *lists: Sequence[Row]) -> str:
    """Return up to where all these lists of a range are complete: `high`, or right after the last row of the first full list."""
    lasts = [rows[-1][0] for rows in lists if len(rows) >= MOST_LISTED]
    return (bound_after(cache.key_kind, min(lasts)) or high) if lasts else high


def fingerprint(rows: int, mixed: int) -> Measured:
    """Return the fingerprint of a number of rows. `mixed`: the exclusive or of their hashes."""
    return Measured(rows, _text(hashlib.md5(f"{rows} {mixed}".encode(), usedforsecurity=False).digest()[:8]))


def _numbered(side: queries.CopyQueries, low: str, high: str, step: int) -> list[tuple[str, str]]:
    """Return each `step`th key of [low, high) but the first, with the key before it."""
    with connections[side.using].cursor() as cursor:
        cursor.execute(*side.steps(side.bound(low), side.bound(high), step))
        return list(cursor.fetchall())


def _walked(side: queries.CopyQueries, low: str, high: str, step: int) -> list[tuple[str, str]]:
    """Do the same as `_numbered`, along the index. A step costs a statement, but a row that it passes hardly anything."""
    found: list[tuple[str, str]] = []
    begin, end = side.bound(low), side.bound(high)
    with connections[side.using].cursor() as cursor:
        while True:
            cursor.execute(*side.step(begin, end, step))
            keys = [key for (key,) in cursor.fetchall()]
            if len(keys) < 2:
                return found
            found.append((keys[0], keys[1]))
            begin = keys[1]


def _measured(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[Measured]]:
    """Measure the parts between the bounds of each list.

    Adjoining lists are one range, and many ranges are read by one statement. So the database scans a table once at most, if it
    takes a scan for cheaper than the index (measured on a million rows: 100 ranges of 1,000 rows take 0.5 s instead of 1.3).
    """
    with side.engine.ready(side.using):
        parts = iter([part for batch in _batches(side, _pieces(side, ranges)) for part in _parts(side, batch)])
    return [list(islice(parts, len(bounds) - 1)) for bounds in ranges]


def _pieces(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> Iterator[_Piece]:
    """Yield the bounds of each range: lists that adjoin are one, if it doesn't have more parts than a statement takes."""
    most = side.engine.most_parts
    for lists in _adjoining(ranges):
        low, *inner = (side.bound(bound) for one in lists for bound in one[:-1])
        known = [bound for bound in inner if bound is not None]  # there are no ids above one that is None
        limits = [low, *known, side.bound(lists[-1][-1])]
        for start in range(0, len(limits) - 1, most):
            last = start + most >= len(limits) - 1
            yield _Piece(limits[start : start + most + 1], len(inner) - len(known) if last else 0)


def _batches(side: queries.RangeQueries, pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Group ascending ranges, as many as a statement takes."""
    batch: list[_Piece] = []
    for piece in pieces:
        end, begin = batch[-1].bounds[-1] if batch else None, piece.bounds[0]
        ascend = end is not None and begin is not None and end <= begin
        number = sum(len(one.bounds) for one in (*batch, piece))
        if batch and not (ascend and len(batch) < side.engine.most_ranges and number <= side.engine.most_parts + 1):
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _adjoining(ranges: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    """Group lists where each begins at the end of the one before."""
    groups: list[list[Sequence[str]]] = []
    for bounds in ranges:
        if bounds[0] and groups and groups[-1][-1][-1] == bounds[0]:
            groups[-1].append(bounds)
        else:
            groups.append([bounds])
    return groups


def _parts(side: queries.RangeQueries, batch: Sequence[_Piece]) -> Iterator[Measured]:
    """Measure the parts of these ranges by one statement. A part's versions and facts are read at one moment."""
    bounds = [bound for piece in batch for bound in piece.bounds][1:-1]
    inner = [bound for bound in bounds if bound is not None]  # all: only the ends of a batch may be open
    counts, mixed = [0] * (len(inner) + 1), [0] * (len(inner) + 1)
    with connections[side.using].cursor() as cursor:
        cursor.execute(*side.sums([(piece.bounds[0], piece.bounds[-1]) for piece in batch], inner))
        for part, rows, *hashes in cursor.fetchall():
            counts[part] += rows
            mixed[part] ^= reduce(xor, hashes)
    start = 0
    for piece in batch:
        end = start + len(piece.bounds) - 1
        yield from map(fingerprint, counts[start:end], mixed[start:end])
        yield from [fingerprint(0, 0)] * piece.empty
        start = end + 1  # what is between two ranges isn't read


def _rows(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[Row]]:
    bounds = [(side.bound(low), side.bound(high)) for low, high in ranges]
    closed = {place: (low, high) for place, (low, high) in enumerate(bounds) if low is not None and high is not None}
    together = side.rows_of_each(list(closed.values()), MOST_LISTED) if closed else None
    found: list[list[Row]] = [[] for _ in ranges]
    with side.engine.ready(side.using), connections[side.using].cursor() as cursor:
        if together:
            places = list(closed)
            cursor.execute(*together)
            for number, *row in cursor.fetchall():
                found[places[number]].append(_row(*row))
        for place, (low, high) in enumerate(bounds):
            if not together or place not in closed:
                cursor.execute(*side.rows(low, high, MOST_LISTED))
                found[place] = [_row(*row) for row in cursor.fetchall()]
    return found


def _row(key: str, version: int, first: int, second: int) -> Row:
    return [key, version, _text_of(first ^ second)]


def _shortest(before: str, key: str) -> str:
    """Return the shortest prefix of `key` that sorts after `before`."""
    length = next(place for place in range(1, len(key) + 1) if key[:place] > before)
    return key[:length]


def _text_of(hash_: int) -> str:
    return _text((hash_ & row_hash.MASK).to_bytes(8, "big"))


def _text(eight: bytes) -> str:
    """Write 64 bits in eleven characters."""
    return b2a_base64(eight)[:11].decode()
