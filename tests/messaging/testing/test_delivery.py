"""Events reach their consumers in a test: inside `TestCase`'s transaction, and in a test that commits."""

import uuid
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import TestCase
from django_outbox_pattern.models import Published

from billing import handlers as billing_handlers
from billing.models import CachedUser, Invoice
from billing.services import invoice_mark_overdue, invoices_generate
from messaging.consumer import handlers
from messaging.database.outbox_pattern import WAITING
from messaging.ledger import sequencer
from messaging.models import Parked, Subscription
from messaging.publisher import consumers
from messaging.replica.staleness import Policy
from messaging.testing import Delivery, assert_recorded, deliver, deliver_event, delivered
from users.events import UserSuspended
from users.models import User
from users.services import user_change_email, user_register, user_suspend

CREATED, SUSPENDED = "users.user.created.v1", "users.user.suspended.v1"


def registered() -> User:
    return user_register(email="ada@example.org", name="Ada")


def cached(user: User) -> CachedUser:
    return CachedUser.objects.using("billing").get(pk=user.pk)


def outcomes(found: list[Delivery]) -> list[tuple[str, str, str]]:
    return [(one.consumer, one.type, one.outcome) for one in found]


def replace(monkeypatch: pytest.MonkeyPatch, wire: str, **changes: Any) -> None:
    known = {"reads": billing_handlers.UserFacts, "apply": billing_handlers.apply_user_changes}
    monkeypatch.setitem(billing_handlers.HANDLERS, wire, handlers.Handler(**{**known, **changes}))


class Deliveries:
    def test_a_recorded_event_is_applied_when_the_block_ends(self) -> None:
        with delivered() as found:
            user = registered()
            assert not found
        assert found == [Delivery("billing", CREATED, str(user.pk), "applied")]
        assert cached(user).status == "active"
        subscription = Subscription.objects.using("billing").get(authority="users")
        assert (subscription.checkpoint, subscription.applied) == (sequencer.head("users"), 1)

    def test_each_event_is_delivered_once_and_in_order(self) -> None:
        user = registered()
        user_suspend(user_id=user.pk, reason="test")
        assert outcomes(deliver("users")) == [("billing", CREATED, "applied"), ("billing", SUSPENDED, "applied")]
        assert deliver() == []
        assert cached(user).version == 2

    def test_an_event_that_comes_again_is_a_duplicate(self) -> None:
        registered()
        deliver()
        Published.objects.using("users").update(status=WAITING)
        assert outcomes(deliver()) == [("billing", CREATED, "duplicate")]

    def test_a_late_event_is_obsolete(self) -> None:
        user = registered()
        deliver()
        CachedUser.objects.using("billing").filter(pk=user.pk).update(version=5)
        user_suspend(user_id=user.pk, reason="test")
        assert outcomes(deliver()) == [("billing", SUSPENDED, "obsolete")]

    def test_events_that_handlers_record_are_delivered_too(self) -> None:
        user = registered()
        deliver()
        invoices_generate(period="2026-11", policy=Policy.PROCEED)
        with delivered() as found:
            invoice_mark_overdue(invoice_id=Invoice.objects.using("billing").get(user_id=user.pk).pk)
        assert ("users", "billing.invoice.overdue.v1", "applied") in outcomes(found)
        assert cached(user).status == "suspended"
        overdue = next(one for one in Published.objects.using("billing").all() if one.destination == "billing.invoice.overdue.v1")
        assert assert_recorded(UserSuspended, subject=user.pk)["causationid"] == str(overdue.pk)

    def test_handlers_that_answer_each_other_for_ever_end_the_test(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def again(events: Any) -> None:
            user_change_email(user_id=user.pk, email=f"{uuid.uuid4()}@example.org")

        user = registered()
        replace(monkeypatch, CREATED, apply=again)
        replace(monkeypatch, "users.user.email_changed.v1", apply=again)
        with pytest.raises(AssertionError, match="Events still wait after 100 rounds"):
            deliver("users")

    def test_a_handler_that_fails_fails_the_test(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(events: Any) -> None:
            connections["billing"].cursor().execute("INSERT INTO billing_invoice (nothing) VALUES (1)")

        replace(monkeypatch, CREATED, apply=fails)
        user = registered()
        with pytest.raises(AssertionError, match=rf"billing parked {CREATED} for {user.pk}: .*\n[^$]*in fails"):
            deliver()

    def test_a_parked_event_can_be_the_expected_outcome(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(events: Any) -> None:
            raise LookupError("no such month")

        replace(monkeypatch, CREATED, apply=fails)
        other = registered()
        (found,) = deliver(may_park=True)
        assert (found.outcome, found.error) == ("parked", "LookupError: no such month")
        assert Parked.objects.using("billing").get().subject == str(other.pk)

    def test_an_event_that_nobody_recorded_reaches_a_consumer_alone(self) -> None:
        key, facts = uuid.uuid4(), {"status": "active", "status_since": "2026-01-01T00:00:00Z"}
        found = deliver_event("billing", CREATED, facts, subject=key, version=2)
        assert found == Delivery("billing", CREATED, str(key), "applied")
        assert deliver_event("billing", SUSPENDED, facts, subject=key, version=1).outcome == "obsolete"
        deliver_event("billing", SUSPENDED, facts, subject=key, version=3, deleted=True)
        copy = CachedUser.objects.using("billing").get(pk=key)
        assert (copy.version, copy.deleted) == (3, True)
        with pytest.raises(AssertionError, match=f"billing parked {CREATED} for {key}: .*status: Field required"):
            deliver_event("billing", CREATED, {}, subject=key, version=4)
        assert deliver_event("billing", CREATED, {}, subject=key, version=4, may_park=True).outcome == "parked"

    def test_a_consumer_gets_the_fields_that_it_is_registered_for(self) -> None:
        consumers.register_consumer(authority="users", name="billing", types=[CREATED], fields=["status"])
        user = registered()
        with pytest.raises(AssertionError, match=f"billing parked {CREATED} for {user.pk}: .*status_since: Field required"):
            deliver()

    def test_a_registered_type_without_a_handler_is_parked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        types, fields = handlers.wanted("billing", "users") or ([], [])
        consumers.register_consumer(authority="users", name="billing", types=types, fields=fields)
        monkeypatch.delitem(billing_handlers.HANDLERS, CREATED)
        registered()
        (found,) = deliver(may_park=True)
        assert found.error == f"Unknown type or version: billing lists no handler for {CREATED}."

    def test_what_nobody_handles_goes_to_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(billing_handlers.HANDLERS, CREATED)
        registered()
        assert deliver() == []

    def test_a_block_that_fails_delivers_nothing(self) -> None:
        with pytest.raises(LookupError), delivered():
            registered()
            raise LookupError
        assert not CachedUser.objects.using("billing").exists()

    def test_an_open_transaction_of_the_test_s_own_is_refused(self) -> None:
        with transaction.atomic(using="users"):
            registered()
            with pytest.raises(RuntimeError, match="must run outside a transaction"):
                deliver()


@pytest.mark.django_db(databases="__all__")
class TestInsideATestCase(Deliveries):
    pass


@pytest.mark.django_db(transaction=True, databases="__all__")
class TestThatCommits(Deliveries):
    pass


class TestOfAHost(TestCase):
    databases = {"users", "billing"}
    user: User

    @classmethod
    def setUpTestData(cls) -> None:
        with delivered("users"):
            cls.user = registered()

    def test_set_up_once_for_the_class(self) -> None:
        with delivered("users") as found:
            user_suspend(user_id=self.user.pk, reason="test")
        assert [one.outcome for one in found] == ["applied"]
        assert cached(self.user).status == "suspended"

    def test_each_test_begins_with_that(self) -> None:
        assert cached(self.user).status == "active"
