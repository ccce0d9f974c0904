"""The two writes store exactly what they get: any text, and values that are the same in all rows."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.database.upsert import insert_new, upsert_newer
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

NOW = datetime(2026, 11, 25, 12, 30, 15, 123456, tzinfo=UTC)
AWKWARD = ["", "NULL", "null", "{}", "{a,b}", '"', "\\", '\\"', "a\\nb", "a\nb", "\t", "'", "%s", "é😀", ",", "\\\\", " ", "\x7f"]
texts = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))


def row(name, reason="", status="active"):
    return {
        "id": uuid.uuid4(),
        "email": f"{uuid.uuid4().hex}@example.org",
        "name": name,
        "status": status,
        "status_since": NOW,
        "suspension_reason": reason,
        "created_at": NOW,
        "updated_at": datetime.now(UTC),
    }


def written(rows):
    insert_new(User, rows, key="id", using="users")
    found = User.objects.using("users").in_bulk([one["id"] for one in rows])
    return [{name: getattr(found[one["id"]], name) for name in one} for one in rows]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(texts, min_size=1, max_size=6), reason=texts)
def test_any_text_arrives_as_it_is(names, reason):
    rows = [row(name, reason) for name in names]
    assert written(rows) == rows


@pytest.mark.parametrize("number", [1, 2, 50])
def test_values_shared_by_all_rows_arrive_in_each(number):
    rows = [row("same", "the\\same") for _ in range(number)]
    assert written(rows) == rows


def test_a_text_that_is_too_long_is_an_error_and_not_cut():
    from django.db import DataError, connections

    if connections["users"].vendor == "sqlite":
        pytest.skip("SQLite knows no lengths")
    with pytest.raises(DataError):
        insert_new(User, [row("n"), row("n" * 1000)], key="id", using="users")


def test_an_update_takes_the_newer_one():
    from billing.models import CachedUser

    first, second = uuid.uuid4(), uuid.uuid4()

    def copied(user_id, version, status):
        times = dict.fromkeys(("status_since", "authority_time", "received_at"), NOW)
        return {"user_id": user_id, "version": version, "status": status, "source": "event", **times}

    upsert_newer(CachedUser, [copied(first, 2, "active"), copied(second, 2, "active")], using="billing")
    done = upsert_newer(CachedUser, [copied(first, 3, "suspended"), copied(second, 1, "suspended")], using="billing")
    assert (done.applied, done.obsolete) == ({first}, 1)
    rows = CachedUser.objects.using("billing").values_list("user_id", "version", "status")
    assert set(rows) == {(first, 3, "suspended"), (second, 2, "active")}


@pytest.mark.parametrize("together", [False, True])
def test_a_final_row_keeps_all_its_values(together):
    """A user that a backup revived appears with name and address again; a tombstone takes only the version of that."""
    alive = {**row("Ada", "back"), "origin_version": 8}
    gone = {**alive, "email": "", "name": "", "status": "erased", "origin_version": 7}
    for rows in [[gone, alive]] if together else [[gone], [alive]]:
        upsert_newer(User, rows, version="origin_version", final=("status", "erased"), using="users")
    found = User.objects.using("users").get(pk=alive["id"])
    assert (found.status, found.email, found.name, found.origin_version) == ("erased", "", "", 8)
    assert upsert_newer(
        User, [{**gone, "origin_version": 9}], version="origin_version", final=("status", "erased"), using="users"
    ).applied
