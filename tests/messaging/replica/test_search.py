"""The search cuts as finely as rows are expected to differ: few requests, and few rows that don't differ are listed."""

import math
import random
from collections import Counter

import pytest

from messaging.replica import search
from messaging.replica.client import AuthorityClient
from tests.messaging.fingerprints.things import Things, put, things
from tests.probes import wait_for


def parts_hit(parts: int, rows: int, chance: random.Random) -> int:
    """Return how many of the parts have a row that differs, if so many rows differ at random."""
    return len({chance.randrange(parts) for _ in range(rows)})


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5, 0.75, 0.95])
@pytest.mark.parametrize("parts", [200, 3000])
def test_the_estimate_is_near_the_number_of_rows_that_differ(parts: int, share: float) -> None:
    """`share`: about so many of the parts have a row that differs."""
    chance = random.Random(parts)
    rows = round(-math.log(1 - share) * parts)
    hit = parts_hit(parts, rows, chance)
    assert hit / parts == pytest.approx(share, abs=0.05)
    truth = rows / hit
    assert truth / 2 <= search._expected(hit, parts, 0) <= truth * 2


@pytest.mark.parametrize("parts", [16, 900])
def test_if_every_part_differs_the_estimate_is_a_lower_bound(parts: int) -> None:
    """With as many rows, about every second cut would have an equal part. With half of them, a cut nearly always has several."""
    chance = random.Random(parts)
    estimate = search._expected(parts, parts, parts)

    def equal(rows: float) -> float:
        return sum(parts - parts_hit(parts, round(rows), chance) for _ in range(200)) / 200

    assert 0.3 < equal(estimate * parts) < 0.8
    assert equal(estimate * parts / 2) > 2
    assert estimate < search._expected(parts, parts, 4 * parts) < 2 * estimate


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_thousands_of_differences_take_few_requests_and_short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,400 of 24,000 rows differ. With smaller lists than usual, for smaller tables."""
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(search, "FEW_ROWS", 4)
    monkeypatch.setattr(search, "LEAST_ROWS", 2)
    chance, fates = random.Random(21), ["missing", "stale", "corrupt", "ahead", "ghost"]
    ids = sorted(f"{chance.getrandbits(64):016x}" for _ in range(24_000))
    planted = {key: fates[place % 5] for place, key in enumerate(chance.sample(ids, 2_400))}
    with things("text") as made:
        plant(made, ids, planted)
        replica = made.replica()
        listed, rows = Counter[str](), AuthorityClient.rows

        def listing(client, ranges):
            found = rows(client, ranges)
            listed["ranges"] += len(ranges)
            listed["rows"] += sum(map(len, found))
            return found

        monkeypatch.setattr(AuthorityClient, "rows", listing)
        found = {row.id: row.kind for page in search.Search(replica).pages() for row in page}
        assert found == planted
        assert replica._client is not None
        # Three cuts, a list for each 500 ranges, and a look for each 1,000 rows that differ.
        assert replica._client.round_trips <= 3 + listed["ranges"] / 500 + 1 + 3 + 2, replica._client.round_trips
        assert listed["rows"] <= 3 * len(planted), listed


def plant(made: Things, ids: list[str], fates: dict[str, str]) -> None:
    versions, names = {"ahead": 2, "stale": 0}, {"corrupt": "b"}
    put(
        made,
        {key: "a" for key in ids if fates.get(key) != "ghost"},
        {
            key: (versions.get(fate, 1), names.get(fate, "a"))
            for key, fate in ((key, fates.get(key, "")) for key in ids)
            if fate != "missing"
        },
    )


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_the_next_request_is_on_its_way_while_a_page_is_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(search, "MOST_IDS", 2)
    asked: list[int] = []
    records = AuthorityClient.records

    def noting(client, ids):
        asked.append(len(ids))
        return records(client, ids)

    monkeypatch.setattr(AuthorityClient, "records", noting)
    with things("text") as made:
        plant(made, ["a", "b", "c", "d", "e"], dict.fromkeys("abcde", "missing"))
        sizes = []
        for place, page in enumerate(search.Search(made.replica()).pages()):
            sent = min(place + 2, 3)
            wait_for(lambda: len(asked) == sent, timeout=20, what=f"{sent} requests at page {place}", seen=lambda: asked)  # noqa: B023
            sizes.append(len(page))
    assert (sizes, asked) == ([2, 2, 1], [2, 2, 1])


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_range_with_more_bounds_than_a_first_request_is_cut_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(search, "FIRST_BOUNDS", 1)
    monkeypatch.setattr(search, "FEW_ROWS", 4)
    planted = {f"{number:04}": "missing" for number in range(0, 2_000, 97)}
    with things("text") as made:
        plant(made, [f"{number:04}" for number in range(2_000)], planted)
        assert {row.id: row.kind for page in search.Search(made.replica()).pages() for row in page} == planted
