"""Fingerprints are the same for the same rows on both sides and both engines, and differ for other rows."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, models
from pydantic_core import from_json

from billing.models import CachedUser
from messaging.consumer.cache import declared_cache
from messaging.database import row_hash
from messaging.database.columns import column
from messaging.fingerprints import fingerprints
from messaging.http import serializers
from messaging.models import Ledger
from messaging.publisher import pages
from messaging.publisher.feed import declared_feed
from messaging.settings import Alias
from users.models import User

pytestmark = pytest.mark.django_db(databases="__all__")

FIELDS = ["status", "status_since"]
FEED: Any = declared_feed("users")
CACHE: Any = declared_cache("billing", "users")


def execute(alias, sql, *parameters):
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, parameters)


def users(number, seed=1):
    """Users of all kinds: by hand, erased, deleted, brought back after an erasure."""
    chance = random.Random(seed)
    since = datetime(2031, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
    found = User.objects.using("users").bulk_create(
        User(
            id=uuid.UUID(int=chance.getrandbits(128)),
            email=f"u{n}@example.org",
            name="U",
            status=chance.choice(["active", "suspended"]),
            status_since=since + timedelta(microseconds=chance.randrange(10**15)),
        )
        for n in range(number)
    )
    for user in found[::5]:
        User.objects.using("users").filter(pk=user.pk).update(status="erased", email="")
    for user in found[::10]:
        User.objects.using("users").filter(pk=user.pk).update(status="active")
    User.objects.using("users").filter(pk__in=[user.pk for user in found[1::7]]).delete()
    return found


def copy():
    """Fill billing's cache directly from the feed's records."""
    ids = list(Ledger.objects.using("users").filter(aggregate="users.user").values_list("aggregate_id", flat=True))
    now = datetime.now(UTC)
    records = [from_json(text) for text in pages.records(Alias("users"), FEED, ids=ids, fields=FIELDS)]
    CachedUser.objects.using("billing").bulk_create(
        CachedUser(
            user_id=record["id"], version=record["version"], source="repair", authority_time=now, received_at=now, **record["data"]
        )
        for record in records
    )
    return records


def authority(*bounds):
    return fingerprints.of_authority(Alias("users"), FEED, FIELDS, [bounds])[0]


def cache(*bounds):
    return fingerprints.of_cache(Alias("billing"), CACHE, [bounds])[0]


BOUNDS = ["", "0", "1f", "3a7", "80000000-0", "8000000f-12", "e", "f", ""]


def test_both_sides_say_the_same_of_equal_rows():
    users(60)
    copy()
    assert authority(*BOUNDS) == cache(*BOUNDS)
    ranges = [["", "4"], ["4", "c5"], ["c5", ""]]
    theirs = fingerprints.rows_of_authority(Alias("users"), FEED, FIELDS, ranges)
    assert theirs == fingerprints.rows_of_cache(Alias("billing"), CACHE, ranges)
    assert sum(len(rows) for rows in theirs) == 60
    assert [row for rows in theirs for row in rows] == sorted(row for rows in theirs for row in rows)


def test_the_hash_of_a_row_in_python_is_that_of_the_database():
    """On PostgreSQL this compares the engines: SQLite's functions are Python's."""
    users(20)
    records = {record["id"]: record for record in copy()}
    listed = {
        key: (version, text) for key, version, text in fingerprints.rows_of_authority(Alias("users"), FEED, FIELDS, [["", ""]])[0]
    }
    assert listed.keys() == records.keys()
    for key, (version, text) in listed.items():
        as_json = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in records[key]["data"].items()
        }
        for data in (records[key]["data"], as_json):
            assert fingerprints.hash_of(CACHE, key, {"version": version, **data}) == text


def test_a_hash_never_changes():
    """Consumers of another version, or on another engine, compare with it."""
    row = {"version": 7, "status": "actïve", "status_since": datetime(2026, 11, 23, 12, 30, 0, 5, tzinfo=UTC)}
    assert fingerprints.hash_of(CACHE, "0b6f4c5e-6a57-4f5e-9e0c-0a3f5b1c2d3e", row) == PINNED


PINNED = "Uiyem0PvJ7Y"


@pytest.mark.parametrize(
    "change",
    [
        {"version": models.F("version") + 1},
        {"status": "suspended"},
        {"status": ""},
        {"status_since": datetime(2031, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_any_change_to_a_row_shows_in_its_part_and_no_other(change):
    users(30, seed=5)
    copy()
    victim = CachedUser.objects.using("billing").filter(status="active").order_by("pk")[3]
    key = str(victim.pk)
    bounds = ["", key, str(uuid.UUID(int=victim.pk.int + 1)), ""]
    CachedUser.objects.using("billing").filter(pk=victim.pk).update(**change)
    ours, theirs = cache(*bounds), authority(*bounds)
    assert [own == other for own, other in zip(ours, theirs, strict=True)] == [True, False, True]


def test_rows_that_swapped_their_values_are_seen():
    users(30)
    copy()
    first, second = CachedUser.objects.using("billing").exclude(status="erased").order_by("pk")[:2]
    first.status_since, second.status_since = second.status_since, first.status_since
    for row in (first, second):
        row.save(using="billing")
    assert authority("", "") != cache("", "")


def test_a_row_too_many_or_too_few_is_seen():
    users(10)
    copy()
    before = cache("", "")
    gone = CachedUser.objects.using("billing").all()[0]
    CachedUser.objects.using("billing").filter(pk=gone.pk).delete()
    assert cache("", "") != before == authority("", "")
    gone.save(using="billing", force_insert=True)
    assert cache("", "") == before


def test_parts_add_up_however_they_are_cut():
    """An empty part is the same everywhere, and a part doesn't depend on its neighbours."""
    users(40)
    whole, *parts = (
        authority("3", "9"),
        authority("", "3", "9", "")[1:2],
        authority("3", "9", "9a")[:1],
    )
    assert parts == [whole, whole]
    assert authority("ffffffff-ffff-ffff-ffff-fffffffffff0", "") == cache("", "00000000-0000-0000-0000-00000000000f")


def test_lists_that_adjoin_are_answered_as_each_alone():
    """They are read together. The end of all ids and the beginning are both written "", but don't adjoin."""
    users(60)
    copy()
    ranges = [["", "3", "5"], ["5", "8", "c"], ["d", "e"], ["e", "f", ""], ["", "5", ""], ["", "8"], ["8", "9"], ["3", "8"]]
    alone = [authority(*bounds) for bounds in ranges]
    assert fingerprints.of_authority(Alias("users"), FEED, FIELDS, ranges) == alone
    assert fingerprints.of_cache(Alias("billing"), CACHE, ranges) == alone


def test_bounds_are_short_and_cut_the_cache_into_equal_parts():
    users(200)
    copy()
    total = CachedUser.objects.using("billing").count()
    bounds = fingerprints.bounds_of_cache(Alias("billing"), CACHE, "", "", rows=total, parts=16)
    counts = [part.rows for part in fingerprints.measured_of_cache(Alias("billing"), CACHE, [bounds])[0]]
    assert len(counts) == 16
    assert sum(counts) == total
    assert max(counts) <= -(-total // 16)
    assert max(map(len, bounds)) <= 6
    assert bounds[1:-1] == sorted(set(bounds[1:-1]))


def test_the_values_of_tombstones_are_those_of_the_feed():
    """`Feed.values` and the SQL express the same rule."""
    users(40)
    ids = list(Ledger.objects.using("users").filter(aggregate="users.user").values_list("aggregate_id", flat=True))
    names = list(FEED.names)
    records = [from_json(text) for text in pages.records(Alias("users"), FEED, ids=ids, fields=names)]
    listed = {row[0]: row[2] for row in fingerprints.rows_of_authority(Alias("users"), FEED, names, [["", ""]])[0]}
    kinds = [(row_hash.kind_of_field(column(User, name)), name) for name in sorted(names)]
    for record in records:
        words = [row_hash.word(kind, record["data"][name]) for kind, name in kinds]
        assert listed[record["id"]] == fingerprints._text_of(row_hash.row_hash(record["id"], record["version"], words))
    whole = fingerprints.of_authority(Alias("users"), FEED, names, [["", ""]])
    mixed = 0
    for record in records:
        words = [row_hash.word(kind, record["data"][name]) for kind, name in kinds]
        mixed ^= row_hash.row_hash(record["id"], record["version"], words)
    assert whole == [[fingerprints.fingerprint(len(records), mixed).text]]


def test_null_is_not_the_empty_text_and_words_do_not_run_together():
    assert row_hash.word("text", None) != row_hash.word("text", "") != row_hash.word("text", row_hash.NULL)
    assert row_hash.row_hash("k", 1, [row_hash.word("text", "a 1:b")]) != row_hash.row_hash(
        "k", 1, [row_hash.word("text", text) for text in ("a", "b")]
    )


def test_a_time_that_is_none_is_still_hashed():
    if connections["billing"].vendor != "sqlite":
        return  # PostgreSQL has no such times
    users(3)
    copy()
    execute("billing", "UPDATE billing_cacheduser SET status_since = 'soon'")
    assert cache("", "") != authority("", "")


def test_as_many_bounds_as_may_be_asked_for_are_answered():
    users(20)
    copy()
    bounds = ["", *(f"{number:05x}" for number in range(1, 16**5, 42)), ""]
    assert 24_900 < len(bounds) <= serializers.MOST_BOUNDS
    assert authority(*bounds) == cache(*bounds)


def test_bounds_that_make_no_sense_are_answered_all_the_same():
    users(5)
    for bounds in (["-", "-"], ["f", "1", "2"], ["9", "0-1", "01", ""], ["", "f" * 36, ""]):
        assert len(authority(*bounds)) == len(bounds) - 1
