"""Every kind of key: fingerprints are equal if and only if the rows are, a search finds exactly the rows that differ, and both read
ranges of an index."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from messaging.database import keys
from messaging.fingerprints import fingerprints, queries
from messaging.models import Ledger
from messaging.replica import search
from messaging.replica.answers import readers
from tests.messaging.fingerprints.things import AUTHORITY, COPY, Things, put, things

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

#: Near each other, so that bounds and rows often have the same beginning; and the ends.
NUMBERS = st.one_of(st.integers(-130, 130), st.integers(-(2**31), 2**31 - 1))
BIG_NUMBERS = st.one_of(NUMBERS, st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**63 - 1, -(2**63), 10**18, 10**18 - 1]))
TEXTS = st.text(
    st.one_of(st.sampled_from("aAbBzZ09-_ é漢🙂/%\\'\""), st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    min_size=1,
    max_size=12,
)
IDS: dict[str, st.SearchStrategy[Any]] = {
    "integer": NUMBERS,
    "bigint": BIG_NUMBERS,
    "uuid": st.uuids(),
    "text": st.one_of(TEXTS, BIG_NUMBERS.map(str)),
}
#: The kinds of the authority's keys and the copy's.
PAIRS = [(kind, kind) for kind in IDS] + [("integer", "bigint"), ("integer", "text"), ("bigint", "text"), ("uuid", "text")]
BATCH = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[str, Things]]:
    kind, copied_as = request.param
    with things(kind, copied_as) as made:
        yield kind, made


def theirs(made: Things, *bounds: str) -> list[str]:
    return fingerprints.of_authority(AUTHORITY, made.feed, ["name"], [bounds])[0]


def ours(made: Things, *bounds: str) -> list[str]:
    return fingerprints.of_cache(COPY, made.cache, [bounds])[0]


def test_fingerprints_of_every_range_are_equal_if_its_rows_are(pair: tuple[str, Things]) -> None:
    kind, made = pair

    @BATCH
    @given(st.dictionaries(IDS[kind], st.sampled_from("ab"), max_size=12), st.sets(IDS[kind], max_size=5), st.data())
    def check(rows: dict[Any, str], cuts: set[Any], data: st.DataObject) -> None:
        copied = {key: (1, name) for key, name in rows.items()}
        for key in data.draw(st.sets(st.sampled_from(sorted(rows)), max_size=3)) if rows else ():
            copied[key] = (1, data.draw(st.sampled_from("abc")))
        put(made, rows, copied)
        ids = sorted({str(key)[: data.draw(st.integers(1, 40))] for key in [*cuts, *list(rows)[:3]]})
        bounds = ["", *ids, ""]
        assert len(theirs(made, *bounds)) == len(ids) + 1
        for low, high, own, other in zip(bounds, bounds[1:], ours(made, *bounds), theirs(made, *bounds), strict=False):
            within = [key for key in rows if low <= str(key) and (not high or str(key) < high)]
            same = all(copied[key] == (1, rows[key]) for key in within)
            assert (own == other) is same, (low, high, within)
            listed = fingerprints.rows_of_authority(AUTHORITY, made.feed, ["name"], [[low, high]])[0]
            assert [key for key, _, _ in listed] == sorted(map(str, within))
            copy_ = fingerprints.rows_of_cache(COPY, made.cache, [[low, high]])[0]
            assert [key for key, _, _ in copy_] == sorted(map(str, within))

    check()


def test_a_search_finds_exactly_the_rows_that_differ(pair: tuple[str, Things], monkeypatch: pytest.MonkeyPatch) -> None:
    """With small parts and lists, so that a few rows are cut several times, and listed in several steps."""
    kind, made = pair
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(search, "FEW_ROWS", 2)
    monkeypatch.setattr(search, "DENSE_ROWS", 4)
    monkeypatch.setattr(search, "PARTS", 3)
    monkeypatch.setattr(search, "LEAST_ROWS", 1)
    monkeypatch.setattr(fingerprints, "MOST_LISTED", 3)
    replica = made.replica()

    @settings(BATCH, max_examples=12)
    @given(st.dictionaries(IDS[kind], st.sampled_from(["same", "missing", "ghost", "corrupt", "ahead"]), max_size=40))
    def check(fates: dict[Any, str]) -> None:
        put(
            made,
            {key: "a" for key, fate in fates.items() if fate != "ghost"},
            {
                key: (2 if fate == "ahead" else 1, "b" if fate == "corrupt" else "a")
                for key, fate in fates.items()
                if fate != "missing"
            },
        )
        found = {row.id: row.kind for page in search.Search(replica).pages() for row in page}
        assert found == {str(key): fate for key, fate in fates.items() if fate != "same"}

    check()


def test_requests_with_long_ids_are_split_until_the_authority_takes_them() -> None:
    ids = sorted(f"{'漢' * 96}{n:04}" for n in range(1000))
    with things("text") as made:
        put(made, dict.fromkeys(ids, "a"), {key: (1, "a") for key in ids})
        client = made.replica()._client
        assert client is not None
        assert sorted(record["id"] for record in client.records(ids)) == ids
        lists = [["", *ids[start : start + 10]] for start in range(0, 1000, 10)]
        assert client.fingerprints(lists) == fingerprints.of_cache(COPY, made.cache, lists)
        assert client.fingerprints([["", *ids, ""]]) == fingerprints.of_cache(COPY, made.cache, [["", *ids, ""]])
        ranges = [[low, high] for low, high in zip(ids[::2], ids[1::2], strict=True)]
        assert [[key for key, _, _ in rows] for rows in client.rows(ranges)] == [[low] for low, _ in ranges]
        assert client.round_trips > 3


@given(st.integers(-(2**63), 2**63 - 1), TEXTS | BIG_NUMBERS.map(str), TEXTS | BIG_NUMBERS.map(str))
@example(0, "-", "0")
@example(-5, "-", "-6")
@example(42, "42", "420")
@example(42, "4:", "5")
@settings(max_examples=2000, deadline=None, derandomize=True)
def test_a_range_of_ids_is_a_few_ranges_of_integers(number: int, low: str, high: str) -> None:
    inside = low <= str(number) < high
    assert any(first <= number <= last for first, last in keys.spans(low, high)) is inside
    assert any(first <= number <= last for first, last in keys.spans(None, high)) is (str(number) < high)
    assert any(first <= number <= last for first, last in keys.spans(low, None)) is (low <= str(number))


@pytest.mark.parametrize("kind", ["integer", "uuid", "text"])
def test_the_bound_after_an_id_leaves_out_no_other_id(kind: str) -> None:
    @given(st.sets(IDS[kind], min_size=2, max_size=2))
    @example({"integer": {1, 10}, "uuid": {uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)}, "text": {"a", "a\x01"}}[kind])
    @settings(max_examples=300, deadline=None, derandomize=True)
    def check(ids: set[Any]) -> None:
        low, high = sorted(map(str, ids))
        assert low < keys.bound_after(kind, low) <= high
        after = keys.bound_after(kind, high)
        assert after > high or (kind == "uuid" and after == "")

    check()


@pytest.mark.parametrize("kind", ["integer", "bigint", "uuid", "text"])
def test_a_narrow_range_is_read_along_an_index(kind: str) -> None:
    with things(kind) as made:
        ids = [
            {"uuid": lambda n: uuid.uuid5(uuid.NAMESPACE_OID, str(n)), "text": lambda n: f"é{n}"}.get(kind, int)(n)
            for n in range(3000)
        ]
        put(made, dict.fromkeys(ids, "a"), {key: (1, "a") for key in ids})
        low = str(ids[1500])
        high = keys.bound_after({"bigint": "integer"}.get(kind, kind), low)
        for alias, table, side in (
            (COPY, "things_copied", queries.CopyQueries(COPY, made.cache)),
            (AUTHORITY, "things_thing", queries.AuthorityQueries(AUTHORITY, made.feed, ["name"])),
        ):
            for statement, parameters in (side.sums([(low, high)], []), side.rows(low, high, 10)):
                with side.engine.ready(alias), connections[alias].cursor() as cursor:
                    if connections[alias].vendor == "sqlite":
                        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                    else:
                        cursor.execute(f'ANALYZE "{table}", messaging_ledger' if alias == AUTHORITY else f'ANALYZE "{table}"')
                        cursor.execute(f"EXPLAIN {statement}", parameters)
                    plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
                assert not any(word in plan for word in ("Seq Scan", "SCAN t", "SCAN l")), plan


@pytest.mark.parametrize("key", ["0", "-1", "9223372036854775807", "-9223372036854775808"])
def test_every_integer_of_64_bits_may_be_an_id(key: str) -> None:
    assert readers("integer").id.validate_python(key) == key


@pytest.mark.parametrize("key", ["", "-0", "007", "+1", "1.0", "1e3", "x", "9223372036854775808", "-9223372036854775809"])
def test_any_other_text_is_no_integer_s_id(key: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        readers("integer").id.validate_python(key)


def test_a_longer_text_than_an_id_may_be_is_no_key() -> None:
    from django.db import models

    for wrong in (models.TextField(), models.CharField(max_length=101), models.FloatField(), models.DateField()):
        wrong.name, wrong.model = "id", Ledger
        with pytest.raises(TypeError, match=r"Ledger\.id is a .*Field\. A key is an integer, a UUID or a text of at most 100 char"):
            keys.kind_of_key(wrong)
