"""Faster ways to read ranges return the same as the plain ones: along the index, many ranges or many bounds in a statement."""

import base64
import random
import uuid
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from django.db import connections
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.database import expressions, keys
from messaging.fingerprints import fingerprints, queries
from messaging.models import Ledger
from tests.messaging.fingerprints.test_keys import BATCH, IDS, PAIRS
from tests.messaging.fingerprints.things import AUTHORITY, COPY, Things, entries, put, things

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[str, Things]]:
    kind, copied_as = request.param
    with things(kind, copied_as) as made:
        yield kind, made


def copies(made: Things) -> queries.CopyQueries:
    return queries.CopyQueries(COPY, made.cache)


def fill(made: Things, ids: Sequence[Any]) -> None:
    put(made, dict.fromkeys(ids, "a"), {key: (1, "a") for key in ids})


# --- Bounds along the index ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uuid", "text"])
def test_walking_along_the_index_finds_the_same_bounds_as_numbering(kind: str) -> None:
    with things(kind) as made:
        side = copies(made)

        @BATCH
        @given(st.sets(IDS[kind], max_size=30), st.sets(IDS[kind], max_size=2), st.integers(1, 7))
        def check(ids: set[Any], ends: set[Any], step: int) -> None:
            fill(made, list(ids))
            for low, high in zip(["", *sorted(map(str, ends))], [*sorted(map(str, ends)), ""], strict=True):
                inside = sorted(key for key in map(str, ids) if low <= key and (not high or key < high))
                numbered = fingerprints._numbered(side, low, high, step)
                assert fingerprints._walked(side, low, high, step) == numbered
                assert [key for _, key in numbered] == inside[step::step]

        check()


@pytest.mark.parametrize("kind", ["uuid", "text", "integer"])
def test_large_parts_are_cut_along_an_index_if_it_has_the_order_of_ids(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with things(kind) as made:
        ids = [{"uuid": lambda n: uuid.UUID(int=n << 100), "text": lambda n: f"é{n}"}.get(kind, int)(n) for n in range(100)]
        fill(made, ids)

        def bounds() -> list[str]:
            return fingerprints.bounds_of_cache(COPY, made.cache, "", "", rows=100, parts=10)

        numbered = bounds()
        assert len(numbered) == 11
        monkeypatch.setattr(fingerprints, "WALKED_ROWS", 10)
        if kind == "integer":
            monkeypatch.delattr(fingerprints, "_walked")
        else:
            monkeypatch.delattr(fingerprints, "_numbered")
        assert bounds() == numbered


@pytest.mark.parametrize("kind", ["uuid", "text"])
def test_a_step_sorts_nothing(kind: str) -> None:
    with things(kind) as made:
        side = copies(made)
        fill(made, [uuid.uuid5(uuid.NAMESPACE_OID, str(n)) if kind == "uuid" else f"é{n}" for n in range(3000)])
        with connections[COPY].cursor() as cursor:
            cursor.execute("ANALYZE things_copied")
            statement, parameters = side.step(None, None, 20)
            explain = "EXPLAIN QUERY PLAN" if connections[COPY].vendor == "sqlite" else "EXPLAIN"
            cursor.execute(f"{explain} {statement}", parameters)
            plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
        assert "INDEX" in plan.upper()
        assert not any(word in plan for word in ("Sort", "TEMP B-TREE")), plan


# --- Many ranges in one statement ------------------------------------------------------------------------------------------


def one_by_one(side: queries.RangeQueries, ranges: Sequence[Sequence[str]]) -> list[list[fingerprints.Row]]:
    found = []
    with side.engine.ready(side.using), connections[side.using].cursor() as cursor:
        for low, high in ranges:
            cursor.execute(*side.rows(side.bound(low), side.bound(high), fingerprints.MOST_LISTED))
            found.append([fingerprints._row(*row) for row in cursor.fetchall()])
    return found


def test_many_ranges_are_listed_as_each_alone(pair: tuple[str, Things], monkeypatch: pytest.MonkeyPatch) -> None:
    """Adjoining ones, empty ones, open ones, the same twice, and truncated lists."""
    kind, made = pair
    monkeypatch.setattr(fingerprints, "MOST_LISTED", 3)
    sides = copies(made), queries.AuthorityQueries(AUTHORITY, made.feed, ["name"])

    @BATCH
    @given(st.sets(IDS[kind], max_size=20), st.sets(IDS[kind], min_size=1, max_size=4), st.data())
    def check(ids: set[Any], cuts: set[Any], data: st.DataObject) -> None:
        fill(made, list(ids))
        bounds = ["", *sorted({str(key) for key in cuts} | {str(key) for key in sorted(ids)[:3]}), ""]
        adjoining = [list(between) for between in pairwise(bounds)]
        ranges = data.draw(st.lists(st.sampled_from([*adjoining, [bounds[1], ""], [bounds[1], bounds[1]]]), max_size=9))
        for side in sides:
            found = fingerprints._rows(side, [*adjoining, *ranges])
            assert found == one_by_one(side, [*adjoining, *ranges])
            assert all(len(rows) <= 3 for rows in found)

    check()


def test_postgresql_lists_many_ranges_in_one_statement(pair: tuple[str, Things], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of integers: a range of their texts is several ranges of numbers. A ledger's ids are texts for every kind."""
    _, made = pair
    on_postgresql = connections[COPY].vendor == "postgresql"
    copy, authority = copies(made), queries.AuthorityQueries(AUTHORITY, made.feed, ["name"])
    one = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    assert (copy.rows_of_each([one], 3) is not None) is (on_postgresql and copy.keys.kind != "integer")
    assert (authority.rows_of_each([one], 3) is not None) is on_postgresql
    if on_postgresql:
        monkeypatch.delattr(queries.RangeQueries, "rows")
        assert fingerprints._rows(authority, [one, one]) == [[], []]


# --- Many bounds -----------------------------------------------------------------------------------------------------------

IDS_OF_MANY: dict[str, Any] = {
    "bigint": lambda chance: chance.randrange(-(2**63), 2**63),
    "uuid": lambda chance: uuid.UUID(int=chance.getrandbits(128)),
    "text": lambda chance: f"{chance.getrandbits(40):x}",
}


@pytest.mark.parametrize("kind", IDS_OF_MANY)
def test_thousands_of_bounds_are_measured_alike_on_both_sides(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(4)
    ids = list({IDS_OF_MANY[kind](chance) for _ in range(1500)})
    bounds = ["", *sorted({str(IDS_OF_MANY[kind](chance)) for _ in range(5000)}), ""]
    numbers: list[int] = []
    for side in (queries.CopyQueries, queries.AuthorityQueries):
        _count_parts(monkeypatch, side, numbers)
    with things(kind) as made:
        fill(made, ids)
        measured = fingerprints.measured_of_cache(COPY, made.cache, [bounds])[0]
        expected = Counter(bisect_right(bounds, str(key), 0, len(bounds) - 1) - 1 for key in ids)
        assert {place: part.rows for place, part in enumerate(measured) if part.rows} == expected
        theirs = fingerprints.of_authority(AUTHORITY, made.feed, ["name"], [bounds])[0]
        assert theirs == [part.text for part in measured]
        pieces = [bounds[start : start + 1001] for start in range(0, len(bounds) - 1, 1000)]
        alone = [text for piece in pieces for text in fingerprints.of_cache(COPY, made.cache, [piece])[0]]
        assert theirs == alone
    if connections[COPY].vendor == "sqlite":
        assert len(numbers) > 6
        assert max(numbers) <= expressions.SQLite.most_parts


def _count_parts(monkeypatch: pytest.MonkeyPatch, side: type[queries.RangeQueries], numbers: list[int]) -> None:
    sums = side.sums

    def counting(self: Any, ranges: Sequence[queries.Range], inner: Sequence[str]) -> queries.Statement:
        numbers.append(len(inner) + 1)
        return sums(self, ranges, inner)

    monkeypatch.setattr(side, "sums", counting)


def test_parts_have_the_same_numbers_however_many_bounds_a_statement_takes(
    pair: tuple[str, Things], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, made = pair
    sides = copies(made), queries.AuthorityQueries(AUTHORITY, made.feed, ["name"])

    @BATCH
    @given(st.sets(IDS[kind], max_size=20), st.sets(IDS[kind], max_size=12), st.booleans(), st.integers(1, 6))
    def check(ids: set[Any], cuts: set[Any], highest: bool, most: int) -> None:
        fill(made, list(ids))
        # Above all UUIDs: a copy whose keys are texts sends it after it has listed the highest one.
        above = {f"{uuid.UUID(int=2**128 - 1)}{keys.AFTER}"} if highest and kind == "uuid" else set()
        bounds = ["", *sorted({str(key) for key in cuts} | above), ""]
        whole = [fingerprints._measured(side, [bounds])[0] for side in sides]
        with monkeypatch.context() as patch:
            for dialect in (expressions.PostgreSQL, expressions.SQLite):
                patch.setattr(dialect, "most_parts", most)
            assert [fingerprints._measured(side, [bounds])[0] for side in sides] == whole
        assert sum(part.rows for part in whole[0]) == len(ids)

    check()


def test_ranges_that_lie_apart_have_the_same_numbers_in_one_statement(
    pair: tuple[str, Things], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in another order, with a range twice, and with open ends."""
    kind, made = pair
    sides = copies(made), queries.AuthorityQueries(AUTHORITY, made.feed, ["name"])
    numbers: list[int] = []
    for side in (queries.CopyQueries, queries.AuthorityQueries):
        _count_parts(monkeypatch, side, numbers)

    @BATCH
    @given(st.sets(IDS[kind], max_size=20), st.sets(IDS[kind], min_size=1, max_size=12), st.randoms(), st.integers(2, 4))
    def check(ids: set[Any], cuts: set[Any], chance: random.Random, size: int) -> None:
        fill(made, list(ids))
        bounds = ["", *sorted(map(str, cuts)), ""]
        pieces = [bounds[start : start + size] for start in range(0, len(bounds) - 1, size)]  # nothing adjoins
        ranges = [piece for piece in pieces if len(piece) > 1]
        for wanted in (ranges, chance.sample(ranges, len(ranges)), [*ranges, *ranges[:1]]):
            with monkeypatch.context() as patch:
                patch.setattr(expressions.SQLite, "most_ranges", 3)
                found = [fingerprints._measured(side, wanted) for side in sides]
            assert found == [[fingerprints._measured(side, [one])[0] for one in wanted] for side in sides]
        numbers.clear()
        fingerprints._measured(sides[0], ranges)
        if connections[COPY].vendor == "postgresql":
            assert len(numbers) <= 1

    check()


# --- What an authority's fingerprints count ---------------------------------------------------------------------------------

ROWS, ENTRIES = ["none", "alive", "tombstone"], ["none", "alive", "deleted", "erased"]


@pytest.mark.parametrize("keeps_gone", [True, False])
@pytest.mark.parametrize("kind", ["integer", "uuid", "text"])
def test_an_authority_s_fingerprints_are_those_of_the_rows_that_it_lists(kind: str, keeps_gone: bool) -> None:
    """Deleted, erased and revived ones, and those that no trigger saw."""
    with things(kind, keeps_gone=keeps_gone, tombstone=("name", "erased")) as made:

        @settings(BATCH, max_examples=40)
        @given(st.dictionaries(IDS[kind], st.tuples(st.sampled_from(ROWS), st.sampled_from(ENTRIES)), max_size=14), IDS[kind])
        def check(states: dict[Any, tuple[str, str]], cut: Any) -> None:
            entries(made, states)
            bounds = ["", str(cut), ""]
            found = fingerprints.of_authority(AUTHORITY, made.feed, ["name"], [bounds])[0]
            listed = fingerprints.rows_of_authority(AUTHORITY, made.feed, ["name"], [["", str(cut)], [str(cut), ""]])
            assert found == [_fingerprint(rows) for rows in listed]
            alive = {str(key) for key, (row, entry) in states.items() if row == "alive" and entry != "erased"}
            ids = {key for rows in listed for key, *_ in rows}
            assert ids == ({entry.aggregate_id for entry in Ledger.objects.using(AUTHORITY).all()} if keeps_gone else alive)

        check()


def _fingerprint(rows: Sequence[fingerprints.Row]) -> str:
    mixed = 0
    for _, _, text in rows:
        mixed ^= int.from_bytes(base64.b64decode(f"{text}="), "big", signed=True)
    return fingerprints.fingerprint(len(rows), mixed).text
