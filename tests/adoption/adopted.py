"""`auth.User` and a table with another key are feeds, without a change to either model. `test_adoption.py` runs this."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections

from messaging.models import Incident, Ledger
from messaging.publisher import consumers, tokens
from messaging.replica import compare, find
from messaging.replica.replica import Replica
from messaging.testing import delivered
from tests.adoption.accounts.models import Badge
from tests.adoption.mail_room2 import models as mail_room
from tests.commands.calling import Ended, call

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ACCOUNTS, MAIL_ROOM = "default", "mail_room2"
PEOPLE, BADGES = mail_room.Person.objects.using(MAIL_ROOM), mail_room.Badge.objects.using(MAIL_ROOM)


def did(*words: str, code: int = 0) -> Ended:
    """Run a command, and check its exit code."""
    ended = call(*words)
    assert ended.code == code, f"{words} ended with {ended.code}: {ended.out} {ended.err}"
    return ended


def sql(statement: str, *parameters: Any, alias: str = ACCOUNTS) -> None:
    """Write as a program that isn't Django would."""
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters)


def entry(key: Any) -> tuple[str, int, bool, bool]:
    found = Ledger.objects.using(ACCOUNTS).get(aggregate_id=str(key))
    return found.aggregate, found.version, found.deleted, found.erased


def expected(user: User) -> tuple[Any, ...]:
    full_name = f"{user.first_name} 100% {user.last_name}"
    return user.pk, user.username, full_name, user.email, user.is_staff, user.is_active, user.last_login, user.date_joined


def kept() -> set[tuple[Any, ...]]:
    return set(PEOPLE.values_list("person_id", "login", "full_name", "email", "staff", "active", "last_login", "joined"))


def same() -> bool:
    return kept() == {expected(user) for user in User.objects.all()}


@pytest.fixture
def web(live_server: Any, settings: Any, tmp_path: Path) -> Callable[[str], Ended]:
    """Serve the feeds; returns a function that bootstraps from one of them."""

    def kept(consumer: str, authority: str) -> str:
        file = tmp_path / f"{consumer}-at-{authority}"
        return file.read_text().strip() if file.exists() else ""

    settings.MESSAGING = {
        **settings.MESSAGING,
        "TOKEN_FOLDER": tmp_path,
        "API_TOKEN": kept,
        "API_URL": lambda authority: live_server.url,
    }

    def bootstrap(feed: str) -> Ended:
        if feed == "accounts":
            did("consumers", "register", MAIL_ROOM, "--to", feed)
        else:  # a second feed is only pulled
            consumers.register_follower(authority="accounts", name=MAIL_ROOM, feed=feed, fields=["fee", "deposit", "valid_from"])
            tokens.ensure_token(consumer=MAIL_ROOM, authority="accounts", ttl=timedelta(hours=1))
        return did("bootstrap", MAIL_ROOM, "--from", feed, "--page-size", "7", "--json")

    return bootstrap


@pytest.fixture
def people(web: Callable[[str], Ended]) -> list[User]:
    """Twenty accounts, the mail room's copy of which is live."""
    User.objects.bulk_create(
        User(username=f"u{n}", first_name="Ann'a", last_name=f"%s {n}", email=f"{n}@example.org", is_active=n % 5 > 0)
        for n in range(20)
    )
    assert web("accounts").json["verdict"] == "in_sync"
    return list(User.objects.order_by("pk"))


def test_the_declaration_needs_nothing_else() -> None:
    call_command("check", "--database", ACCOUNTS, "--database", MAIL_ROOM, fail_level="WARNING")


def test_a_password_is_nowhere(people: list[User], live_server: Any) -> None:
    did("consumers", "open", MAIL_ROOM, "--to", "accounts")
    replica = Replica.of(MAIL_ROOM, "accounts")
    with replica.connected() as client:
        names = {tuple(sorted(row["data"])) for row in client.changes(0).results}
    assert names == {("active", "email", "full_name", "joined", "last_login", "login", "staff")}


def test_a_copy_is_filled_and_follows_any_write(people: list[User]) -> None:
    assert same()
    sql("UPDATE auth_user SET first_name = 'Berta', email = '' WHERE id = %s", people[1].pk)
    User.objects.create_user("new", "new@example.org", "a secret")
    assert entry(people[1].pk) == ("accounts.auth_user2", 2, False, False)
    assert did("catch_up", MAIL_ROOM, "--from", "accounts", "--json").json["applied"] == 2
    assert same()
    assert Incident.objects.using(MAIL_ROOM).get(kind="silent").count == 2
    assert did("reconcile", MAIL_ROOM, "--from", "accounts", "--json").json["verdict"] == "in_sync"


def test_drift_of_every_kind_is_found_and_repaired(people: list[User]) -> None:
    PEOPLE.filter(pk=people[1].pk).update(full_name="Nobody")
    PEOPLE.filter(pk=people[2].pk).delete()
    row = PEOPLE.values().first()
    assert row is not None
    mail_room.Person(**{**row, "person_id": 99_999, "login": "ghost", "active": True}).save(using=MAIL_ROOM)
    User.objects.filter(pk=people[3].pk).update(last_name="Newer")
    found = did("reconcile", MAIL_ROOM, "--from", "accounts", "--json", code=1).json
    assert {(row["id"], row["kind"]) for row in found["rows"]} == {
        (str(people[1].pk), "corrupt"),
        (str(people[2].pk), "missing"),
        ("99999", "ghost"),
        (str(people[3].pk), "stale"),
    }
    assert did("reconcile", MAIL_ROOM, "--from", "accounts", "--repair", "--json").json["repaired"] == 4
    assert same()


def test_a_condition_makes_a_tombstone_for_ever(people: list[User]) -> None:
    key = people[1].pk
    sql("UPDATE auth_user SET is_active = false, first_name = '', last_name = '', email = '' WHERE id = %s", key)
    assert entry(key) == ("accounts.auth_user2", 2, True, True)
    did("catch_up", MAIL_ROOM, "--from", "accounts")
    assert same()
    sql("UPDATE auth_user SET is_active = true, first_name = 'Again' WHERE id = %s", key)
    did("catch_up", MAIL_ROOM, "--from", "accounts")
    copied = PEOPLE.get(pk=key)
    assert (copied.active, copied.login, copied.full_name) == (False, "", "")
    assert did("reconcile", MAIL_ROOM, "--from", "accounts", "--json").json["verdict"] == "in_sync"


def test_a_deleted_account_leaves_a_row_without_data(people: list[User]) -> None:
    key = people[1].pk
    people[1].delete()
    did("catch_up", MAIL_ROOM, "--from", "accounts")
    gone = PEOPLE.get(pk=key)
    assert (gone.deleted, gone.login, gone.email, gone.last_login) == (True, "", "", None)
    assert did("reconcile", MAIL_ROOM, "--from", "accounts", "--json").json["verdict"] == "in_sync"


def test_republish_makes_the_events_and_they_reach_the_copy(people: list[User]) -> None:
    """The only event with the facts announces a state. The position of each is found by the aggregate's name."""
    sql("UPDATE auth_user SET first_name = 'Silent' WHERE id IN (%s, %s)", people[1].pk, people[2].pk)
    assert did("republish", "accounts", "--json").json["republished"] == 20  # nobody announced the accounts before
    with delivered() as found:
        pass
    assert {(one.type, one.outcome) for one in found} <= {
        ("accounts.auth_user2.changed.v1", "applied"),
        ("accounts.auth_user2.changed.v1", "obsolete"),
    }
    assert [one.subject for one in found if one.outcome == "applied"] == [str(people[1].pk), str(people[2].pk)]
    assert same()
    did("catch_up", MAIL_ROOM, "--from", "accounts")
    assert compare.compare(Replica.of(MAIL_ROOM, "accounts")).verdict == "in_sync"


def test_a_lookup_takes_an_integer(people: list[User]) -> None:
    PEOPLE.filter(pk=people[1].pk).delete()
    assert find(MAIL_ROOM, "accounts", people[1].pk) == PEOPLE.get(pk=people[1].pk)
    assert find(MAIL_ROOM, "accounts", 2**31 - 1) is None
    with pytest.raises(ValueError, match="integer"):
        find(MAIL_ROOM, "accounts", "one")


CODES = ["a", "A", "b/c?d", "é%", "漢", "10", "9", "-", "x" * 30]


@pytest.fixture
def badges(web: Callable[[str], Ended]) -> list[Badge]:
    """Badges, the mail room's copy of which is live."""
    Badge.objects.using(ACCOUNTS).bulk_create(
        Badge(code=code, fee=Decimal(n) + Decimal("0.10"), valid_from=date(2026, 1, 1 + n)) for n, code in enumerate(CODES)
    )
    assert web("accounts_badges").json["verdict"] == "in_sync"
    return list(Badge.objects.using(ACCOUNTS).order_by("pk"))


def amounts() -> set[tuple[Any, ...]]:
    return set(BADGES.values_list("code", "fee", "valid_from"))


def test_another_unique_column_is_the_key(badges: list[Badge]) -> None:
    assert amounts() == {(one.code, one.fee, one.valid_from) for one in badges}
    assert BADGES.get(code="10").deposit == Decimal("1.700")  # a third of 5.10
    sql("UPDATE accounts_badge SET code = 'renamed', fee = 7.30 WHERE code = 'b/c?d'")
    Badge.objects.using(ACCOUNTS).filter(code="-").delete()
    did("catch_up", MAIL_ROOM, "--from", "accounts_badges")
    assert {code for code, *_ in amounts()} == {*CODES, "renamed"} - {"b/c?d", "-"}
    assert BADGES.get(code="renamed").deposit == Decimal("2.433")
    assert did("reconcile", MAIL_ROOM, "--from", "accounts_badges", "--json").json["verdict"] == "in_sync"
    BADGES.filter(code="é%").update(fee=Decimal("3.1001"))
    assert did("reconcile", MAIL_ROOM, "--from", "accounts_badges", "--json", code=1).json["counts"]["corrupt"] == 1
    assert did("reconcile", MAIL_ROOM, "--from", "accounts_badges", "--repair", "--json").json["repaired"] == 1
    BADGES.filter(code="漢").delete()
    assert find(MAIL_ROOM, "accounts_badges", "漢") is not None
    assert find(MAIL_ROOM, "accounts_badges", "no/such?badge") is None


def test_a_row_that_is_replaced_by_its_primary_key_is_counted(badges: list[Badge]) -> None:
    """SQLite fires no trigger for the row that OR REPLACE removes, and its primary key has no index of its own."""
    if connections[ACCOUNTS].vendor != "sqlite":
        pytest.skip("PostgreSQL has no OR REPLACE")
    sql("INSERT OR REPLACE INTO accounts_badge (id, code, fee, valid_from) VALUES (%s, 'other', 1, '2026-01-01')", badges[0].pk)
    assert entry(badges[0].code)[1:3] == (2, True)
    assert entry("other")[1:3] == (1, False)
