"""The migration that lets contexts share a database keeps every row, and programs of the last release go on beside new ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import IntegrityError, connections

from messaging.database.sharing import LEGACY
from messaging.ledger import marks, sequencer
from messaging.models import Consumer, Incident, Ledger, LostErasure, Mark, Parked, Repair, Sequence, Subscription, Unknown
from messaging.publisher import entries
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

OWNED = (Sequence, Mark, Consumer, Subscription, Incident, Repair, Unknown, LostErasure, Parked)
#: What programs of the last release insert, and the columns that they don't know.
NOW = "'2026-11-01 00:00:00+00:00'"
OLD_ROWS = {
    Sequence: ("id, head, floor", "1, 2, 0"),
    Mark: ("position, first, mark, previous", "2, 1, 'm1', ''"),
    Consumer: (
        "name, queue, types, fields, feeds, owners, staleness_seconds, registered_at, token_hash, bootstrap_open, bootstrapped_to",
        f"'billing', 'billing', '[]', '[]', '[]', '[]', 900, {NOW}, '', true, 0",
    ),
    Subscription: (
        "authority, state, checkpoint, ahead, head, partial, owners, applied, duplicate, obsolete",
        "'monolith', 'live', 7, '[]', 7, false, '[]', 1, 0, 0",
    ),
    Incident: ("kind, authority, opened_at, last_seen_at, count, subjects, summary", f"'drift', 'a', {NOW}, {NOW}, 1, '[]', 's'"),
    Repair: (
        'kind, done_by, started_at, finished_at, "window", consumers, counts, result',
        f"'replay', 'b', {NOW}, {NOW}, '', '[]', '{{}}', 'r'",
    ),
    Unknown: ("authority, aggregate_id, asked_at", f"'a', 'one', {NOW}"),
    LostErasure: ("authority, aggregate_id", "'a', 'one'"),
    Parked: (
        "state, event_id, event_type, subject, raw, reason, traceback, attempts, arrived_at, settled_by, note",
        f"'parked', 'e', 't', 's', '', 'r', '', 1, {NOW}, '', ''",
    ),
}


def run(sql: str, *values: Any) -> Any:
    with connections["users"].cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def insert(model: type[Any], more: str = "") -> int:
    columns, values = OLD_ROWS[model]
    return int(run(f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({values}) {more}"))


def migrate(*target: str) -> None:
    call_command("migrate", "messaging", *target, database="users", verbosity=0)


@contextmanager
def placed(settings: Any, **databases: str) -> Iterator[None]:
    """Place these contexts in other databases during the block."""
    alone = settings.MESSAGING
    contexts = {**alone["CONTEXTS"], **{name: {"database": alias} for name, alias in databases.items()}}
    settings.MESSAGING = {**alone, "CONTEXTS": contexts}
    try:
        yield
    finally:
        settings.MESSAGING = alone


def old_round() -> None:
    """One stamping round, as a program of the last release does it."""
    if connections["users"].vendor == "postgresql":
        run("SELECT messaging_stamp(100)")
        return
    run("INSERT INTO messaging_sequence (id, head, floor) VALUES (1, 0, 0) ON CONFLICT DO NOTHING")
    stamped = run(
        "UPDATE messaging_ledger SET position = numbered.position FROM (SELECT id, row_number() OVER (ORDER BY changed_at, id) "
        "+ (SELECT head FROM messaging_sequence) AS position FROM (SELECT id, changed_at FROM messaging_ledger "
        "WHERE position IS NULL ORDER BY changed_at, id LIMIT 100)) AS numbered WHERE messaging_ledger.id = numbered.id"
    )
    run("UPDATE messaging_sequence SET head = head + %s WHERE id = 1", stamped)
    run(
        "INSERT OR REPLACE INTO messaging_mark (position, first, mark, previous) SELECT head, head - %s + 1, 'old', "
        "coalesce((SELECT mark FROM messaging_mark ORDER BY position DESC LIMIT 1), '') FROM messaging_sequence",
        stamped,
    )


@pytest.fixture
def last_release() -> Iterator[Callable[[], None]]:
    """`users` has the tables of the last release. Call the value to migrate."""
    migrate("0017")
    yield migrate
    for model in (*OWNED, Ledger):
        run(f"DELETE FROM {model._meta.db_table}")
    migrate()


def test_every_row_stays_and_is_the_context_s(last_release: Callable[[], None]) -> None:
    for model in OWNED:
        insert(model)
    User.objects.using("users").create(email="one@example.org", name="One")
    before = {model: run(f"SELECT {OLD_ROWS[model][0]} FROM {model._meta.db_table}") for model in OWNED}
    last_release()
    for model in OWNED:
        assert run(f"SELECT {OLD_ROWS[model][0]} FROM {model._meta.db_table}") == before[model], model
        assert [row.context for row in model.objects.using("users").all()] == ["users"], model
    assert sequencer.stamp_pending("users") == 1
    assert (sequencer.head("users"), Ledger.objects.using("users").get().position) == (3, 3)
    latest = marks.at("users", 3)
    assert latest is not None
    assert latest.previous == "m1"
    assert entries.of("users").get().name == "billing"


def test_a_program_of_the_last_release_goes_on_beside_new_ones(last_release: Callable[[], None]) -> None:
    last_release()
    for model in OWNED:
        insert(model)
        assert model.objects.of("users").count() == 1, model
    for model in (Unknown, LostErasure):
        assert insert(model, "ON CONFLICT (authority, aggregate_id) DO NOTHING") == 0
    for model in (Consumer, Subscription):
        with pytest.raises(IntegrityError):
            insert(model)
    User.objects.using("users").create(email="one@example.org", name="One")
    old_round()
    User.objects.using("users").create(email="two@example.org", name="Two")
    assert sequencer.stamp_pending("users") == 1
    User.objects.using("users").create(email="three@example.org", name="Three")
    old_round()
    rounds = list(Mark.objects.of("users").order_by("position"))
    assert [(row.context, row.position) for row in rounds] == [("users", number) for number in (2, 3, 4, 5)]
    assert [row.previous for row in rounds[1:]] == [row.mark for row in rounds[:-1]]
    assert sequencer.head("users") == 5


def test_an_authority_that_never_stamped_can_be_stamped_first_by_a_new_program(last_release: Callable[[], None]) -> None:
    last_release()
    User.objects.using("users").create(email="one@example.org", name="One")
    assert sequencer.stamp_pending("users") == 1
    User.objects.using("users").create(email="two@example.org", name="Two")
    old_round()
    assert run("SELECT id, context, head FROM messaging_sequence") == [(1, "users", 2)]


def test_the_migration_goes_back_with_its_rows(last_release: Callable[[], None]) -> None:
    last_release()
    for model in OWNED:
        insert(model)
    migrate("0017")
    for model in OWNED:
        assert run(f"SELECT count(*) FROM {model._meta.db_table}") == [(1,)], model
    User.objects.using("users").create(email="one@example.org", name="One")
    old_round()
    assert run("SELECT head FROM messaging_sequence WHERE id = 1") == [(3,)]


def test_rows_that_may_be_of_either_of_two_contexts_are_refused(last_release: Callable[[], None], settings: Any) -> None:
    insert(Parked)
    with placed(settings, billing="users"), pytest.raises(ImproperlyConfigured, match="places users, billing in it, so nothing"):
        last_release()


def test_rows_of_a_context_that_the_settings_do_not_name_are_refused(last_release: Callable[[], None], settings: Any) -> None:
    User.objects.using("users").create(email="one@example.org", name="One")
    with (
        placed(settings, users="default", billing="users"),
        pytest.raises(ImproperlyConfigured, match=r"has changes of users\.user, .* only billing"),
    ):
        last_release()


def test_what_the_last_release_needs_goes_when_a_second_context_comes(settings: Any) -> None:
    def kept() -> set[str]:
        with connections["users"].cursor() as cursor:
            found = connections["users"].introspection.get_constraints(cursor, Unknown._meta.db_table)
            found |= connections["users"].introspection.get_constraints(cursor, LostErasure._meta.db_table)
        return set(LEGACY) & set(found)

    migrate()
    assert kept() == set(LEGACY)
    with placed(settings, billing="users"):
        migrate()
        left = kept()
    migrate("0017")
    migrate()
    assert left == set()
    assert kept() == set(LEGACY)
