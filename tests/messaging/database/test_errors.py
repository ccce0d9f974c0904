"""Invariant 14: a database that takes no writes counts as unreachable, whatever its error. Programs wait; nothing is parked."""

import contextlib
import logging
import sqlite3
import threading
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from celery.exceptions import Reject
from django.db import DatabaseError, DataError, InterfaceError, InternalError, OperationalError, ProgrammingError, connections
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing.models import CachedUser
from messaging import tasks
from messaging.celery import app
from messaging.consumer import handlers, inbox, retries
from messaging.consumer import parked as parked_events
from messaging.database import errors, guard, outages
from messaging.database.outbox_pattern import WAITING
from messaging.errors import DatabaseAway
from messaging.ledger import sequencer
from messaging.management import base as commands
from messaging.models import Parked, Subscription
from messaging.ownership import ownership
from messaging.publisher.relay import Relay
from messaging.replica import pull
from messaging.replica.replica import Replica
from messaging.replica.sync import SyncProcess
from messaging.settings import Alias
from messaging.transport.queues import DELIVER, HEARTBEAT
from tests.messaging.consumer.test_inbox import envelope
from tests.messaging.travelling import travelled
from tests.probes import wait_for
from tests.read_only import kept_connection_is_read_only, read_only
from users.models import User
from users.seeding import demo_users, save

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def _nothing_was_said_yet():
    outages._stopped.clear()


def events(number):
    return [envelope(uuid.uuid4(), 1) for _ in range(number)]


def delivery():
    return travelled(DELIVER, consumer="billing", events=events(1))


def sign_of_life():
    return travelled(HEARTBEAT, consumer="billing", authority="users", head=3, at=datetime.now(UTC).isoformat())


def test_a_message_stays_in_the_queue_while_the_database_is_read_only_and_is_applied_afterwards():
    message = events(10)
    with read_only("billing"), pytest.raises(DatabaseAway):
        inbox.receive("billing", message)
    assert inbox.receive("billing", message).applied == 10
    assert not Parked.objects.using("billing").exists()


def test_the_task_gives_it_back(monkeypatch):
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", (0.0, 0.0))
    with read_only("billing"), pytest.raises(Reject) as rejected:
        tasks.deliver.run(**delivery())
    assert rejected.value.requeue


def test_an_unreadable_message_is_returned_and_logged_in_one_line(caplog, monkeypatch):
    monkeypatch.setattr(parked_events, "PAUSE_SECONDS", (0.0, 0.0))
    with read_only("billing"):
        assert not parked_events.keep("billing", b"no task", "unreadable")
    (line,) = [record for record in caplog.records if record.name == "messaging.consumer.parked"]
    assert line.exc_info is None
    assert parked_events.keep("billing", b"no task", "unreadable")


def test_a_kept_connection_to_a_demoted_server_is_given_up_at_once():
    kept_connection_is_read_only("billing")
    assert inbox.receive("billing", events(3)).applied == 3
    assert not Parked.objects.using("billing").exists()


def test_a_retry_that_finds_the_database_read_only_does_not_count(caplog):
    event = events(1)[0]
    parked = parked_events.park_unreadable(Alias("billing"), event, "it failed")
    Parked.objects.using("billing").update(state="retrying", next_attempt_at=timezone.now() - timedelta(seconds=1))
    with read_only("billing"):
        tasks.retry_due.run(consumer="billing")
    assert [record.levelname for record in caplog.records if record.name == "messaging.tasks"] == ["WARNING"]
    parked.refresh_from_db(using="billing")
    assert (parked.state, parked.attempts) == ("retrying", 1)
    tasks.retry_due.run(consumer="billing")
    parked.refresh_from_db(using="billing")
    assert parked.state == "applied"


def test_a_heartbeat_that_cannot_be_noted_is_one_line(caplog, monkeypatch):
    with read_only("billing"):
        tasks.heartbeat.run(**sign_of_life())
    assert [record.levelname for record in caplog.records if record.name == "messaging.tasks"] == ["WARNING"]


def test_a_relay_waits_and_goes_on(caplog):
    caplog.set_level(logging.INFO, "messaging.publisher.relay")
    save(demo_users(3), with_events=True)
    relay = Relay("users", app)
    with read_only("users"):
        thread = threading.Thread(target=relay.run)
        thread.start()
        try:
            wait_for(lambda: "can't send" in caplog.text, timeout=10, what="the relay to say that it can't send")
        except AssertionError:
            relay.stop.set()
            thread.join()
            raise
        assert thread.is_alive()
    try:
        wait_for(lambda: "sending again" in caplog.text, timeout=20, what="the relay to go on")
    finally:
        relay.stop.set()
        thread.join()
    assert not Published.objects.using("users").filter(status=WAITING).exists()
    assert len([record for record in caplog.records if record.name == "messaging.publisher.relay"]) == 2


def test_sync_waits_logs_it_once_and_goes_on(api, caplog):
    caplog.set_level(logging.INFO, "messaging.replica.sync")
    save(demo_users(5), with_events=False)
    pull.catch_up(Replica.of("billing", "users"))
    Subscription.objects.using("billing").update(state="live", heartbeat_at=None)
    User.objects.using("users").all().update(status="suspended")
    sync = SyncProcess("billing")
    with read_only("billing"):
        for _ in range(3):
            sync._watches["users"].quiet_until = 0.0
            sync.look()
    sync._watches["users"].quiet_until = 0.0
    sync.look()
    assert set(CachedUser.objects.using("billing").values_list("status", flat=True)) == {"suspended"}
    said = [record.getMessage() for record in caplog.records if "syncing its copy of users" in record.getMessage()]
    assert [record for record in caplog.records if record.exc_info] == []
    assert len(said) == 2, said


def test_sync_survives_an_unreachable_authority_too(api, settings, caplog):
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:1"}
    Subscription.objects.using("billing").create(authority="users", state="live", checkpoint=1, head=1)
    with read_only("billing"):
        SyncProcess("billing").look()
    assert "syncing its copy of users doesn't work" in caplog.text


STATES = {
    True: ["25006", "57P01", "57P02", "57P03", "53100", "53200", "53300", "08000", "08003", "08006", "58030"],
    False: ["40001", "40P01", "55P03", "57014", "22P02", "23505", "42P01", "42601", "XX000"],
}


@pytest.mark.parametrize(("state", "away"), [(state, away) for away, states in STATES.items() for state in states])
def test_postgresqls_codes(state, away):
    cause = psycopg.errors.lookup(state)("it says so")
    classes = {base.__name__ for base in type(cause).__mro__}
    kinds = (OperationalError, InternalError, ProgrammingError, DataError, InterfaceError, DatabaseError)
    error = next(kind for kind in kinds if kind.__name__ in classes)("it says so")
    error.__cause__ = cause
    assert errors.takes_nothing(error) is away


def test_real_database_errors():
    with read_only("users"), pytest.raises(DatabaseError) as caught:
        User.objects.using("users").create(email="a@example.org", name="A")
    assert errors.takes_nothing(caught.value)
    with pytest.raises(DatabaseError) as wrong, connections["users"].cursor() as cursor:
        cursor.execute("SELEC 1")
    assert not errors.unusable(wrong.value)
    with pytest.raises(DatabaseError) as absent, connections["users"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM nowhere")
    assert errors.unusable(absent.value)
    assert not errors.takes_nothing(absent.value)


@pytest.mark.parametrize("quoted", ["no such table", "no such column", "syntax error", "database is locked"])
def test_quoted_values_of_a_statement_do_not_count(quoted):
    """Both databases quote what they can't parse."""
    with pytest.raises(DatabaseError) as wrong, connections["users"].cursor() as cursor:
        cursor.execute(f"""SELECT 1 FROM users_user WHERE "{quoted}"('a', 'b')""")
    assert not errors.lacks_tables(wrong.value)
    assert not errors.unusable(wrong.value)
    assert not errors.gave_up_waiting(wrong.value)


def test_a_guards_words_alone_are_no_refusal():
    with pytest.raises(DatabaseError) as wrong, connections["users"].cursor() as cursor:
        cursor.execute(f'SELECT "{guard.MARK} somebody else"() FROM users_user')
    assert ownership.refusal(wrong.value) is None


def test_changes_that_could_not_be_stamped_are_stamped_later():
    save(demo_users(3), with_events=False)
    with read_only("users"), pytest.raises(DatabaseError):
        sequencer.stamp_pending("users")
    assert sequencer.stamp_pending("users") == 3


def full() -> OperationalError:
    """A real full disk: SQLite with a limit on its file."""
    found = OperationalError("full")
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            connection.execute("CREATE TABLE t (x)")
    found.__cause__ = raised.value
    return found


def test_a_full_disk_is_believed_though_a_write_that_changes_nothing_goes_well(monkeypatch):
    """No try is counted against the event, and no other database is named."""
    assert errors.takes_writes("billing")
    assert errors.is_away("billing", full())
    on_postgresql = OperationalError("full")
    on_postgresql.__cause__ = psycopg.errors.DiskFull()
    assert errors.is_away("billing", on_postgresql)
    with (
        pytest.raises(commands.Refused, match="The database of users or billing can't be used"),
        commands.database_errors_as_refusals("users", "billing"),
    ):
        raise full()
    parked = parked_events.park_unreadable(Alias("billing"), events(1)[0], "it failed")
    Parked.objects.using("billing").update(state="retrying")

    def fail(*arguments):
        raise full()

    with monkeypatch.context() as patch:
        patch.setattr(handlers, "run", fail)
        with pytest.raises(OperationalError):
            retries.attempt("billing", parked.pk)
    parked.refresh_from_db(using="billing")
    assert (parked.state, parked.attempts) == ("retrying", 1)


def test_a_full_disk_that_takes_a_heartbeat_still_takes_no_messages(monkeypatch, caplog):
    def fail(*arguments):
        raise full()

    def said():
        return [record.levelname for record in caplog.records if record.name == "messaging.tasks"]

    caplog.set_level(logging.INFO, "messaging.tasks")
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", (0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(handlers, "run", fail)
        for _ in range(2):
            with pytest.raises(Reject):
                tasks.deliver.run(**delivery())
            tasks.heartbeat.run(**sign_of_life())
            tasks.retry_due.run(consumer="billing")
    assert said() == ["WARNING"]
    tasks.deliver.run(**delivery())
    assert "billing: taking messages works again" in caplog.text
