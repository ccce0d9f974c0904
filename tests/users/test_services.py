"""The authority's rules: the allowed changes of a user, and the sentences for the others."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import transaction
from django_outbox_pattern.models import Published

from messaging.consumer import inbox
from messaging.database.outbox_pattern import SENT
from messaging.testing import assert_recorded, recorded
from users import clock, events, services
from users.errors import InvalidUser, TransitionNotAllowed, UnknownUser
from users.models import User
from users.services import user_change_email, user_erase, user_reactivate, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def user():
    return user_register(email="ada@example.org", name="  Ada   Lovelace ")


def types():
    return [event["type"] for event in recorded("users")]


def test_every_change_of_a_user_is_an_event(user):
    user_suspend(user_id=user.pk, reason="test")
    user_reactivate(user_id=user.pk)
    user_change_email(user_id=user.pk, email="other@example.org")
    user_erase(user_id=user.pk)
    told = ["created", "suspended", "reactivated", "email_changed", "erased"]
    assert types() == [f"users.user.{word}.v1" for word in told]


def test_a_withheld_event_leaves_a_change_without_an_event(user, monkeypatch):
    monkeypatch.setattr(services, "withholding", [lambda user, event: isinstance(event, events.UserSuspended)])
    user_suspend(user_id=user.pk, reason="test")
    user_reactivate(user_id=user.pk)
    assert types() == ["users.user.created.v1", "users.user.reactivated.v1"]


def test_services_act_at_a_simulated_time_in_this_thread_alone(user):
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    with clock.at(moment), ThreadPoolExecutor() as others:
        assert user_suspend(user_id=user.pk, reason="then").status_since == moment
        assert others.submit(clock.now).result() > user.created_at
    assert user_reactivate(user_id=user.pk).status_since > user.created_at


def test_names_are_tidied(user):
    assert user.name == "Ada Lovelace"


def test_erasing_leaves_a_tombstone_without_personal_data(user):
    user_suspend(user_id=user.pk, reason="private matter")
    user_erase(user_id=user.pk)
    row = User.objects.using("users").get(pk=user.pk)
    assert (row.status, row.email, row.name, row.suspension_reason) == ("erased", "", "", "")


def test_erasing_empties_earlier_events_sent_or_not(user):
    other = user_register(email="bob@example.org", name="Bob")
    user_suspend(user_id=user.pk, reason="Ada owes")
    Published.objects.using("users").filter(body__subject=str(user.pk)).update(status=SENT)
    user_change_email(user_id=user.pk, email="countess@example.org")
    before = recorded("users")
    user_erase(user_id=user.pk)
    *after, erasure = recorded("users")
    emptied = {"email": "", "name": "", "suspension_reason": ""}
    assert len(after) == len(before) == 4
    for was, body in zip(before, after, strict=True):  # the rest of each is unchanged, and so is another user's
        assert body == (was if was["subject"] == str(other.pk) else {**was, "data": {**was["data"], **emptied}})
    assert emptied.items() <= erasure["data"].items()


def test_an_erasure_that_is_rolled_back_empties_nothing(user):
    with pytest.raises(RuntimeError), transaction.atomic(using="users"):
        user_erase(user_id=user.pk)
        raise RuntimeError
    assert_recorded(events.UserCreated, email="ada@example.org")
    assert types() == ["users.user.created.v1"]


def test_erasing_twice_and_keeping_the_address_are_no_changes(user):
    user_change_email(user_id=user.pk, email="ada@example.org")
    user_erase(user_id=user.pk)
    user_erase(user_id=user.pk)
    assert types() == ["users.user.created.v1", "users.user.erased.v1"]


def test_transitions_that_make_no_sense_are_refused(user):
    with pytest.raises(TransitionNotAllowed, match="Only a suspended user"):
        user_reactivate(user_id=user.pk)
    user_suspend(user_id=user.pk, reason="x")
    with pytest.raises(TransitionNotAllowed, match="this one is suspended"):
        user_suspend(user_id=user.pk, reason="x")
    user_erase(user_id=user.pk)
    with pytest.raises(TransitionNotAllowed, match="this one is erased"):
        user_suspend(user_id=user.pk, reason="x")
    with pytest.raises(TransitionNotAllowed, match="no e-mail address"):
        user_change_email(user_id=user.pk, email="x@example.org")


@pytest.mark.parametrize(("email", "name"), [("nobody", "A"), ("", "A"), ("a@example.org", " "), ("a@example.org", "x" * 201)])
def test_bad_values_are_refused_and_nothing_is_written(email, name):
    with pytest.raises(InvalidUser):
        user_register(email=email, name=name)
    assert types() == []


def test_an_address_belongs_to_one_user(user):
    with pytest.raises(InvalidUser, match="Another user"):
        user_register(email="ada@example.org", name="Second")


def test_an_unknown_user_is_an_error():
    with pytest.raises(UnknownUser, match="no user"):
        user_erase(user_id=uuid.uuid4())


def test_an_overdue_invoice_suspends_and_names_its_cause(user):
    event = {
        "specversion": "1.0",
        "id": "overdue-1",
        "source": "billing",
        "type": "billing.invoice.overdue.v1",
        "subject": str(uuid.uuid4()),
        "time": "2026-11-23T09:00:00Z",
        "data": {"user_id": str(user.pk), "unknown": "ignored"},
        "aggregateversion": 2,
        "correlationid": "story",
    }
    outcome = inbox.receive("users", [event, {**event, "id": "overdue-2"}])
    assert (outcome.applied, outcome.obsolete) == (1, 1)
    row = User.objects.using("users").get(pk=user.pk)
    assert (row.status, row.suspension_reason) == ("suspended", "overdue")
    told = [event for event in recorded("users") if event["type"] == "users.user.suspended.v1"]
    assert [(event["causationid"], event["correlationid"]) for event in told] == [("overdue-1", "story")]


@pytest.mark.parametrize("text", ["Ada\x00", "\x00", "Ada \ud800", "\udfff"])
def test_a_text_that_no_database_keeps_is_refused_in_a_sentence(user, text):
    with pytest.raises(InvalidUser, match="a NUL character or a lone surrogate"):
        user_register(email="bob@example.org", name=text)
    with pytest.raises(InvalidUser, match="a NUL character or a lone surrogate"):
        user_suspend(user_id=user.pk, reason=text)
    for address in (f"{text}@example.org", f"ada@{text}example.org"):
        with pytest.raises(InvalidUser):
            user_register(email=address, name="Bob")
        with pytest.raises(InvalidUser):
            user_change_email(user_id=user.pk, email=address)
    assert User.objects.using("users").get().name == "Ada Lovelace"


def test_addresses_that_differ_by_case_alone_are_one_address(user):
    bob = user_register(email="Bob@Example.org", name="Bob")
    assert bob.email == "bob@example.org"
    assert user_register(email="eve@BÜCHER.example", name="Eve").email == "eve@bücher.example"
    for address in ("ADA@example.org", "ada@EXAMPLE.org", "bob@example.org", "Eve@bücher.example", "eve@BÜCHER.example"):
        with pytest.raises(InvalidUser, match="Another user has this e-mail address"):
            user_register(email=address, name="Eve")
    with pytest.raises(InvalidUser, match="Another user has this e-mail address"):
        user_change_email(user_id=bob.pk, email="Ada@example.org")
    assert user_change_email(user_id=bob.pk, email="BOB@example.org").email == "bob@example.org"
