"""A round of sequencer and relay reads only waiting rows, also right after a burst, when the planner's statistics say that all rows
are waiting."""

from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging.database import engines
from messaging.database.outbox_pattern import WAITING
from messaging.ledger import sequencer
from messaging.models import Ledger
from messaging.publisher import outbox, relay
from users.models import User
from users.seeding import demo_users, save
from users.services import user_change_email

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif("connections['users'].vendor != 'postgresql'", reason="SQLite plans by fixed rules, whatever waits"),
]
MANY = 3000


@pytest.fixture
def after_a_burst():
    """Stamp and send everything after the tables were analysed."""
    save(demo_users(MANY), with_events=True)
    with connections["users"].cursor() as cursor:
        cursor.execute("ANALYZE published, messaging_ledger")
    assert sequencer.stamp_pending("users") == MANY
    engine = engines.for_alias("users")
    with transaction.atomic(using="users"):
        assert len(engine.claim("users", "users", MANY)) == MANY
    assert not Published.objects.using("users").filter(status=WAITING).exists()
    return engine


def rows_read():
    """Count the rows of ledger and outbox that this connection has read and hasn't reported yet (it reports between
    transactions)."""
    with connections["users"].cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables "
            "WHERE relname IN ('messaging_ledger', 'published')"
        )
        return dict(cursor.fetchall())


@pytest.fixture
def another_contexts_backlog(after_a_burst):
    """As many events and changes of another context wait in the same database, and all of a host wait, too."""
    for values in ({"destination": "billing.invoice.issued.v1", "status": WAITING}, {"destination": "users.host", "status": 1}):
        Published.objects.using("users").bulk_create(Published(body={}, **values) for _ in range(MANY))
    change = {"aggregate": "billing.invoice", "version": 1, "changed_at": timezone.now() - timedelta(days=1)}
    Ledger.objects.using("users").bulk_create(Ledger(aggregate_id=str(number), **change) for number in range(MANY))
    with connections["users"].cursor() as cursor:
        cursor.execute("ANALYZE published, messaging_ledger")


@pytest.mark.usefixtures("another_contexts_backlog")
def test_one_event_beside_the_backlog_of_others_costs_a_few_rows(after_a_burst):
    costs_a_few_rows(after_a_burst)


def test_one_event_after_a_burst_costs_a_few_rows(after_a_burst):
    costs_a_few_rows(after_a_burst)


def costs_a_few_rows(after_a_burst):
    user_change_email(user_id=User.objects.using("users").earliest("id").pk, email="new@example.org")
    with transaction.atomic(using="users"):
        before = rows_read()
        assert outbox.adopt("users", "users", relay.BATCH_ROWS) == []
        assert after_a_burst.stamp("users", sequencer.BATCH_ROWS) == 1
        assert len(after_a_burst.claim("users", "users", relay.BATCH_ROWS)) == 1
        read = {table: rows - before.get(table, 0) for table, rows in rows_read().items()}
    assert max(read.values()) < 20, read
