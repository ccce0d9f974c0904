"""Invariant 1: a change and its event commit together, on the context's own database."""

import json

import pytest
from django.db import transaction
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging.database import engines
from messaging.database.outbox_pattern import WAITING
from messaging.errors import OutsideTransaction
from messaging.events import tracing
from messaging.models import Ledger
from messaging.publisher import outbox, pages
from messaging.settings import Alias
from users import events
from users.feed import FEED
from users.models import User
from users.services import user_change_email, user_erase, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def facts(**changes):
    now = "2026-11-23T09:00:00Z"
    values = {"status": "active", "status_since": now, "suspension_reason": "", "email": "", "name": "", "created_at": now}
    return events.UserCreated(**{**values, **changes})


def recorded():
    return list(Published.objects.using("users").order_by("added"))


def test_an_event_outside_a_transaction_is_refused():
    with pytest.raises(OutsideTransaction, match="An event can't be recorded outside a transaction on 'users'.*transaction.atomic"):
        outbox.record(facts(), subject="x", using="users")
    assert recorded() == []


def test_a_transaction_on_another_database_does_not_count():
    with transaction.atomic(using="billing"), pytest.raises(OutsideTransaction):
        outbox.record(facts(), subject="x", using="users")


def test_an_event_of_another_context_is_refused():
    with transaction.atomic(using="billing"), pytest.raises(ValueError, match="the database of their own context"):
        outbox.record(facts(), subject="x", using="billing")


def test_an_event_whose_type_begins_with_no_context_is_refused(settings):
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": ["billing"]}
    with (
        transaction.atomic(using="billing"),
        pytest.raises(ValueError, match="has no context 'users'. It has: billing. Add 'users'"),
    ):
        outbox.record(facts(), subject="x", using="billing")


def test_row_and_event_roll_back_together():
    class Crash(Exception):
        pass

    with pytest.raises(Crash), transaction.atomic(using="users"):
        user = user_register(email="never@example.org", name="Never")
        raise Crash
    assert recorded() == []
    assert not User.objects.using("users").filter(pk=user.pk).exists()
    assert not Ledger.objects.using("users").filter(aggregate_id=str(user.pk)).exists()


def test_the_envelope_is_cloudevents_with_version_and_trace():
    with tracing.tracing("story-1", "cause-1"):
        user = user_register(email="ada@example.org", name="Ada")
    (row,) = recorded()
    body = row.body
    assert {name: body[name] for name in ("specversion", "source", "type", "subject", "aggregateversion")} == {
        "specversion": "1.0",
        "source": "users",
        "type": "users.user.created.v1",
        "subject": str(user.pk),
        "aggregateversion": 1,
    }
    assert (body["correlationid"], body["causationid"], body["id"]) == ("story-1", "cause-1", str(row.pk))
    assert row.expires_at.year == 9999


def test_many_events_take_a_handful_of_statements(django_assert_max_num_queries):
    users = [User(email=f"m{n}@example.org", name="M") for n in range(500)]
    with transaction.atomic(using="users"):
        User.objects.using("users").bulk_create(users)
        with django_assert_max_num_queries(4, using="users"):
            outbox.record_many([outbox.Record(facts(), user.pk) for user in users], using="users")
    assert len(recorded()) == 500


def test_an_erased_users_event_holds_no_personal_data():
    user = user_register(email="secret@example.org", name="Secret Name")
    user_change_email(user_id=user.pk, email="other@example.org")
    user_erase(user_id=user.pk)
    erased = recorded()[-1].body
    assert erased["type"] == "users.user.erased.v1"
    assert (erased["data"]["email"], erased["data"]["name"]) == ("", "")


def test_an_erased_user_who_is_written_again_is_announced_as_the_feed_tells_him():
    user = user_register(email="secret@example.org", name="Secret Name")
    user_erase(user_id=user.pk)
    User.objects.using("users").filter(pk=user.pk).update(status="active", email="back@example.org", name="Back Again")
    user_suspend(user_id=user.pk, reason="past every rule")
    event = recorded()[-1].body
    (told,) = pages.records(Alias("users"), FEED, ids=[str(user.pk)], fields=FEED.names)
    assert (event["type"], event["data"]["email"], event["data"]["name"]) == ("users.user.erased.v1", "", "")
    assert events.UserErased(**event["data"]) == events.UserErased(**json.loads(told)["data"])


def test_an_event_too_large_to_send_is_refused_where_it_is_recorded():
    user = user_register(email="big@example.org", name="Big")
    with transaction.atomic(using="users"), pytest.raises(ValueError, match="bytes"):
        outbox.record(facts(name="x" * 70_000), subject=user.pk, using="users")


def test_a_claim_finds_the_position_of_its_own_aggregate_though_another_name_is_like_it():
    """An underscore in a name is no wildcard."""
    for position, aggregate in enumerate(("users.a1b", "users.a_b"), start=1):
        Ledger.objects.using("users").create(
            aggregate=aggregate, aggregate_id="7", version=1, position=position, changed_at=timezone.now()
        )
    for aggregate in ("users.a1b", "users.a_b"):
        wire = f"{aggregate}.changed.v1"
        body = {"type": wire, "subject": "7", "aggregateversion": 1}
        Published.objects.using("users").create(destination=wire, body=body, status=WAITING)
    with transaction.atomic(using="users"):
        found = engines.for_alias("users").claim("users", "users", 10)
    assert {json.loads(body)["type"]: position for _, body, position in found} == {
        "users.a1b.changed.v1": 1,
        "users.a_b.changed.v1": 2,
    }
