"""A host may use django-outbox-pattern itself. Its rows are in our tables, and no program of ours touches or counts them. Rows that
programs of the last release wrote are recognised by their envelope, and are sent."""

import importlib
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User as Login
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_outbox_pattern.choices import StatusChoice
from django_outbox_pattern.models import Published, Received

import messaging
from messaging.celery import app
from messaging.consumer import inbox
from messaging.database.outbox_pattern import FAILED, NEVER, SENT, WAITING
from messaging.ledger import sequencer
from messaging.models import Consumer, Ledger
from messaging.operations.status import outbox_states
from messaging.publisher import outbox, retention
from messaging.publisher.relay import Relay
from messaging.publisher.replay import Window, gap, replay
from messaging.publisher.republish import republish
from messaging.testing import deliver, recorded
from users.models import User
from users.services import user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
BEFORE, AFTER = "0017", "0018"


@pytest.fixture
def other_connection():
    """A second connection to the database of users, in a transaction."""
    connection = connections["users"].copy()
    connection.set_autocommit(False)
    yield connection
    connection.close()


@pytest.fixture
def billing():
    types = ["users.user.created.v1", "users.user.suspended.v1"]
    return Consumer.objects.using("users").create(name="billing", queue="billing", types=types, fields=["status", "status_since"])


def ours(*states):
    return outbox.rows("users", "users", *states)


def envelope_of(row_id, **changes):
    """The body of an event of ours, as a host might copy it."""
    user = user_register(email=f"{uuid.uuid4().hex[:8]}@example.org", name="Copied")
    body = ours().get(body__subject=str(user.pk)).body
    ours().filter(body__subject=str(user.pk)).delete()
    return {**body, "id": str(row_id), **changes}


def hosts_rows() -> list[dict[str, Any]]:
    """Rows of the host in each of the package's states, up to copies of our envelopes that lack one thing."""
    one, two, three = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    wire = "users.user.created.v1"
    bodies: list[dict[str, Any]] = [
        {"destination": "/queue/orders", "body": {"order": 1}},
        {"destination": wire, "body": {"subject": "x", "type": wire}, "expires_at": NEVER},
        {"destination": wire, "body": "a text", "expires_at": NEVER},
        {"destination": wire, "body": envelope_of(uuid.uuid4()), "expires_at": NEVER},
        {"id": one, "destination": wire, "body": envelope_of(one)},
        {"id": two, "destination": wire, "body": envelope_of(two, source="shop"), "expires_at": NEVER},
        {"id": three, "destination": "/topic/users", "body": envelope_of(three), "expires_at": NEVER},
    ]
    for values in bodies:
        for status in StatusChoice:
            key = {"id": values["id"]} if "id" in values and status == StatusChoice.SCHEDULE else {"id": uuid.uuid4()}
            Published.objects.using("users").create(**{**values, **key, "status": status})
    old = timezone.now() - timedelta(days=400)
    Published.objects.using("users").filter(status__in=StatusChoice.values).update(added=old)
    return snapshot()


def snapshot():
    return list(Published.objects.using("users").filter(status__in=StatusChoice.values).order_by("id").values())


def as_the_last_release_wrote(rows, status):
    """What a program of release 0.1 leaves: the same row, in the package's state."""
    assert rows.update(status=status)


def test_no_program_of_ours_touches_or_counts_a_hosts_row(relay, billing):
    theirs = hosts_rows()
    user = user_register(email="ada@example.org", name="Ada")
    assert [(state.pending, state.failed) for state in outbox_states() if state.context == "users"] == [(1, 0)]
    assert len(recorded("users")) == 1

    done = relay.run_once()
    assert (done.sent, done.failed) == (1, 0)
    user_suspend(user_id=user.pk, reason="x")
    assert [delivery.outcome for delivery in deliver("users") if delivery.consumer == "billing"] == ["applied"]
    User.objects.using("users").filter(pk=user.pk).update(name="Ada L.")
    assert republish("users").count == 1
    relay.run_once()
    user_erase(user_id=user.pk)
    relay.run_once()
    again = replay("users", [billing], Window(until=timezone.now()), sender=None)
    assert again.events == ours(SENT).filter(destination__in=billing.types).count()
    oldest = gap("users", [billing], Window(until=timezone.now())).oldest
    assert oldest == ours().earliest("added").added
    sequencer.stamp_pending("users")
    Consumer.objects.using("users").update(checkpoint=sequencer.head("users"))
    Ledger.objects.using("users").update(changed_at=timezone.now() - timedelta(days=1))
    assert retention.count_purgeable("users", older_than=timedelta(0)) == ours(SENT).count() + 1
    purged = retention.purge("users", older_than=timedelta(0))
    assert (purged.unsent, purged.tombstones) == (0, 1)

    assert snapshot() == theirs
    assert Published.objects.using("users").count() == len(theirs)


def test_the_admin_lists_our_rows_only(client, settings):
    theirs = hosts_rows()
    user_register(email="ada@example.org", name="Ada")
    inbox.receive("billing", recorded("users"))
    Received.objects.using("billing").create(msg_id=str(uuid.uuid4()), headers={"destination": "/queue/orders"}, body={})
    client.force_login(Login.objects.create_superuser("root"))
    for page in ("users_outbox", "billing_inbox"):
        (row,) = client.get(reverse(f"admin:{page}_changelist")).context["cl"].result_list
        assert row.destination == "users.user.created.v1"
    assert client.get(reverse("admin:users_outbox_change", args=[theirs[0]["id"]])).status_code == 302


def test_a_relay_claims_only_the_events_of_its_context(relay, billing):
    user_register(email="ada@example.org", name="Ada")
    other = Published.objects.using("users").create(destination="billing.invoice.issued.v1", body={}, status=WAITING)
    done = relay.run_once()
    assert (done.sent, done.failed) == (1, 0)
    other.refresh_from_db(using="users")
    assert (other.status, ours(WAITING).count()) == (WAITING, 0)


def test_only_the_outbox_and_the_claim_read_the_table_themselves():
    """Anything else would see a host's rows. It reads by `outbox.rows`."""
    reads = re.compile(r"Published\.(objects|_base_manager|_default_manager)|\b(FROM|JOIN|UPDATE|INTO) published\b")
    folder = Path(messaging.__file__).parent
    readers = {str(path.relative_to(folder)) for path in folder.rglob("*.py") if reads.search(path.read_text())}
    assert readers == {"publisher/outbox.py", "database/engines/postgresql.py", "database/engines/sqlite.py"}


@pytest.mark.skipif("connections['users'].vendor != 'sqlite'", reason="test_plans.py counts the rows that PostgreSQL reads")
def test_a_claim_searches_the_index_of_its_context(relay):
    user_register(email="ada@example.org", name="Ada")
    with CaptureQueriesContext(connections["users"]) as seen:
        relay.run_once()
    for part, index in (("SELECT id, body", "messaging_outbox_waiting"), ("9999-12-31", "messaging_outbox_former")):
        statement = next(query["sql"] for query in seen if part in query["sql"] and query["sql"].startswith(("UPDATE", "SELECT")))
        with connections["users"].cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = " ".join(row[3] for row in cursor.fetchall())
        assert f"{index} (<expr>=?" in plan
        assert "SCAN published" not in plan


def test_a_row_that_an_old_program_records_during_the_upgrade_is_sent_once(relay, billing):
    user_register(email="ada@example.org", name="Ada")
    as_the_last_release_wrote(ours(WAITING), StatusChoice.SCHEDULE)
    assert [state.pending for state in outbox_states() if state.context == "users"] == [1]
    assert relay.run_once().sent == 1
    assert relay.run_once().sent == 0
    assert Published.objects.using("users").get().status == SENT


def test_more_rows_of_old_programs_than_a_batch_are_sent_without_a_pause(billing):
    for number in range(5):
        user_register(email=f"u{number}@example.org", name="U")
    as_the_last_release_wrote(ours(WAITING), StatusChoice.SCHEDULE)
    relay = Relay("users", app, batch=2)
    assert [relay.run_once().sent for _ in range(4)] == [2, 2, 1, 0]
    relay.sender.close()


@pytest.mark.skipif("connections['users'].vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_a_row_that_an_old_relay_is_sending_is_left_to_it(relay, billing, other_connection):
    user_register(email="ada@example.org", name="Ada")
    user_register(email="bob@example.org", name="Bob")
    as_the_last_release_wrote(ours(WAITING), StatusChoice.SCHEDULE)
    first = Published.objects.using("users").earliest("added").pk
    with other_connection.cursor() as cursor:  # the old relay's claim, before its commit
        cursor.execute("UPDATE published SET status = 2 WHERE id = %s", [first])
    assert relay.run_once().sent == 1
    other_connection.commit()
    relay.next_adoption = 0.0
    assert relay.run_once().sent == 0
    assert ours(SENT).filter(status=SENT).count() == 2


def test_what_old_programs_wrote_is_read_before_a_relay_has_taken_it_over(relay, billing):
    """A repair, an erasure and retention may run while only old relays do."""
    user = user_register(email="ada@example.org", name="Ada")
    bob = user_register(email="bob@example.org", name="Bob")
    relay.run_once()
    as_the_last_release_wrote(ours(SENT), StatusChoice.SUCCEEDED)
    assert replay("users", [billing], Window(until=timezone.now()), sender=None).events == 2
    assert len(recorded("users")) == 2
    user_suspend(user_id=bob.pk, reason="x")
    as_the_last_release_wrote(ours(WAITING), StatusChoice.SCHEDULE)
    user_erase(user_id=user.pk)
    assert "ada@example.org" not in str(list(ours().values_list("body", flat=True)))
    sequencer.stamp_pending("users")
    Consumer.objects.using("users").update(checkpoint=sequencer.head("users"))
    purged = retention.purge("users", older_than=timedelta(0))
    assert (purged.outbox, purged.unsent) == (2, 2)


def migrate(*target):
    call_command("migrate", "messaging", *target, database="users", verbosity=0)


@pytest.fixture
def last_release():
    """The table as release 0.1 has it; afterwards as today."""
    migrate(BEFORE)
    yield
    migrate()


def written_by_the_last_release():
    """One row of ours in each state. Returns their ids in the order waiting, sent, failed."""
    keys = []
    for status in (StatusChoice.SCHEDULE, StatusChoice.SUCCEEDED, StatusChoice.FAILED):
        user = user_register(email=f"{status}@example.org", name="U")
        row = ours().filter(body__subject=str(user.pk))
        as_the_last_release_wrote(row, status)
        keys.append(row.get().pk)
    return keys


def states(keys):
    found = dict(Published.objects.using("users").filter(pk__in=keys).values_list("pk", "status"))
    return [found[key] for key in keys]


def test_the_migration_moves_our_rows_and_no_others_and_back(last_release):
    keys = written_by_the_last_release()
    theirs = [row for row in hosts_rows() if row["id"] not in keys]
    migrate(AFTER)
    assert states(keys) == [WAITING, SENT, FAILED]
    assert snapshot() == theirs
    migrate(BEFORE)
    assert states(keys) == [1, 2, -1]
    assert [row for row in snapshot() if row["id"] not in keys] == theirs


def test_a_migration_that_was_stopped_goes_on_and_has_committed_its_batches(last_release, monkeypatch):
    keys = written_by_the_last_release()
    monkeypatch.setattr(importlib.import_module("messaging.migrations.0018_own_states"), "BATCH_ROWS", 1)
    adopt, calls = outbox.adopt, []

    def stopped(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return adopt(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "adopt", stopped)
        with pytest.raises(KeyboardInterrupt):
            migrate(AFTER)
    assert sum(status > 100 for status in states(keys)) == 2
    migrate(AFTER)
    assert states(keys) == [WAITING, SENT, FAILED]
