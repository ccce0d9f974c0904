"""All contexts in the host's one database: one transaction for everything, and each row its own context's.

`test_aliases.py` runs this with `shared_settings`, and `moved.py` too.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User as Login
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser
from messaging import settings as messaging_settings
from messaging.consumer import incidents, parked
from messaging.database import locks, wakeup
from messaging.errors import Held
from messaging.ledger import ledger, marks, sequencer
from messaging.models import Consumer, Incident, Ledger, LostErasure, Mark, OwnedModel, Parked, Sequence, Subscription, Unknown
from messaging.publisher import pages, record, retention
from messaging.publisher.consumers import issue_token, register_consumer
from messaging.publisher.entries import of
from messaging.publisher.tokens import by_token
from messaging.testing import delivered
from monolith.models import User as MonolithUser
from tests.commands.calling import call
from users import events
from users.models import User
from users.services import _event, user_register, user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
USERS, BILLING, MONOLITH = (messaging_settings.context(name).alias for name in ("users", "billing", "monolith"))


class Interrupted(Exception):
    """What ends a transaction."""


def sign_up(name: str) -> None:
    """A host's service: its own login, and a user of the context."""
    Login.objects.create_user(name)
    user_register(email=f"{name}@example.org", name=name)


def written() -> tuple[int, int, int, int]:
    entries = Ledger.objects.using("default").count()
    return Login.objects.count(), User.objects.count(), Published.objects.using("default").count(), entries


def test_there_is_one_database_under_one_name() -> None:
    assert set(connections) == {"default"}
    assert [str(alias) for alias in (USERS, BILLING, MONOLITH)] == ["default"] * 3


def test_a_sign_up_its_event_and_the_host_s_row_commit_or_vanish_together() -> None:
    with suppress(Interrupted), transaction.atomic():
        sign_up("ada")
        raise Interrupted
    assert written() == (0, 0, 0, 0)
    with transaction.atomic():
        sign_up("ada")
    assert written() == (1, 1, 1, 1)


def signed_up(request: HttpRequest, name: str) -> HttpResponse:
    sign_up(name)
    if "fail" in request.GET:
        raise Interrupted
    return HttpResponse("welcome")


urlpatterns = [path("sign-up/<str:name>/", signed_up)]


def test_a_request_is_one_transaction_under_atomic_requests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.ROOT_URLCONF, settings.DEBUG = __name__, True
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    client = Client(raise_request_exception=False)
    assert client.get("/sign-up/ada/?fail").status_code == 500
    assert written() == (0, 0, 0, 0)
    assert client.get("/sign-up/ada/").status_code == 200
    assert written() == (1, 1, 1, 1)


def test_an_event_is_recorded_by_the_plain_name_of_the_database() -> None:
    with transaction.atomic():
        user = User.objects.create(email="ada@example.org", name="Ada")
        record(_event(user, events.UserCreated), subject=user.pk, using="default")
    assert list(Published.objects.using("default").values_list("destination", flat=True)) == [events.UserCreated.wire]


def test_the_plain_name_of_a_shared_database_says_not_whose_rows_are_meant() -> None:
    with pytest.raises(ImproperlyConfigured, match="holds the contexts users, billing, monolith. Pass messaging.settings.context"):
        sequencer.head("default")
    with pytest.raises(ImproperlyConfigured, match="holds the contexts"):
        Parked.objects.using("default").create(reason="whose?")


def test_each_feed_has_its_own_positions() -> None:
    for number in range(3):
        User.objects.create(email=f"{number}@example.org", name="x")
    MonolithUser.objects.create(email="m@example.org", name="x")
    assert sequencer.stamp_pending(USERS) == 3
    assert pages.waits(MONOLITH, 0)
    assert sequencer.head(MONOLITH) == 0
    assert sequencer.stamp_pending(MONOLITH) == 1
    assert sequencer.stamp_pending(BILLING) == 0
    assert (sequencer.head(USERS), sequencer.head(MONOLITH)) == (3, 1)
    placed = Ledger.objects.using("default").order_by("aggregate", "position").values_list("aggregate", "position")
    assert list(placed) == [("monolith.user", 1), ("users.user", 1), ("users.user", 2), ("users.user", 3)]
    first, second = marks.at(USERS, 1), marks.at(MONOLITH, 1)
    assert first is not None
    assert second is not None
    assert (first.position, second.position) == (3, 1)
    assert marks.refused(MONOLITH, [(1, first.mark)]) == [1]
    Consumer.objects.using(USERS).create(context="users", name="reader", marks=True, checkpoint=9)
    assert (marks.prune(USERS), Mark.objects.using("default").count()) == (1, 1)


def test_events_cross_from_one_context_to_the_other_in_the_database() -> None:
    with delivered() as found:
        user = user_register(email="ada@example.org", name="Ada")
        user_suspend(user_id=user.pk, reason="a test")
    assert [(one.consumer, one.outcome) for one in found] == [("billing", "applied")] * 2
    assert CachedUser.objects.get().status == "suspended"
    assert {row.msg_id.partition(":")[0] for row in Received.objects.using("default").all()} == {"billing"}
    assert Subscription.objects.using("default").get().context == "billing"


def test_two_authorities_may_have_a_consumer_of_one_name() -> None:
    for authority, kind, field in (
        ("users", "users.user.created.v1", "email"),
        ("billing", "billing.invoice.issued.v1", "user_id"),
    ):
        register_consumer(authority=authority, name="mail", types=[kind], fields=[field])
    token = issue_token(authority="users", name="mail", ttl=timedelta(hours=1))
    assert by_token("users", token).fields == ["email"]
    assert [of(name).get().fields for name in ("users", "billing")] == [["email"], ["user_id"]]
    with pytest.raises(Exception, match="billing doesn't know this token"):
        by_token("billing", token)
    assert call("consumers", "revoke", "mail", "--to", "users").code == 0
    assert [of(name).count() for name in ("users", "billing")] == [0, 1]


def test_what_happened_to_one_context_is_not_shown_at_another(client: Client) -> None:
    parked.park_unreadable(BILLING, {"no": "event"}, "It can't be read.")
    incidents.silent(BILLING, "users", ["1", "2"])
    incidents.silent(USERS, "users", ["3"])
    assert [row.count for row in Incident.objects.using("default").order_by("context")] == [2, 1]
    incidents.drift(USERS, "users", [])
    client.force_login(Login.objects.create_superuser("root"))

    def listed(name: str) -> int:
        return int(client.get(reverse(f"admin:{name}_changelist")).context["cl"].result_count)

    assert (listed("billing_parkedmessage"), listed("users_parkedmessage")) == (1, 0)
    assert len(call("parked", "list", "billing", "--json").json["parked"]) == 1
    assert call("parked", "list", "users", "--json").json["parked"] == []
    User.objects.create(email="ada@example.org", name="Ada")
    assert (listed("users_ledgerentry"), listed("billing_ledgerentry"), listed("monolith_ledgerentry")) == (1, 0, 0)


def test_one_context_s_lease_and_wake_up_are_not_another_s() -> None:
    with locks.exclusive(USERS, "bootstrap-x"):
        with locks.exclusive(BILLING, "bootstrap-x"):
            assert locks.held(USERS, "bootstrap-x")
        assert not locks.held(BILLING, "bootstrap-x")
        with pytest.raises(Held), locks.exclusive(USERS, "bootstrap-x"):
            pass
    users, billing = wakeup.Waiter(USERS), wakeup.Waiter(BILLING)
    try:
        for waiter in (users, billing):
            waiter.wait(0)  # on PostgreSQL the first wait only listens
        user_register(email="ada@example.org", name="Ada")
        assert not billing.wait(0.2)  # on PostgreSQL both read from one connection here, so this hears it
        user_register(email="bob@example.org", name="Bob")
        assert users.wait(60)
    finally:
        users.close()
        billing.close()


def test_a_purge_leaves_the_other_context_s_rows() -> None:
    user_register(email="ada@example.org", name="Ada")
    MonolithUser.objects.create(email="m@example.org", name="x").delete()
    User.objects.create(email="b@example.org", name="x").delete()
    for alias, name in ((USERS, "users"), (MONOLITH, "monolith")):
        sequencer.stamp_pending(alias)
        ledger.baseline(alias, f"{name}.user", Ledger.objects.of(alias).values_list("aggregate_id", flat=True))
    done = retention.purge("users", older_than=timedelta(seconds=0))
    assert (done.tombstones, pages.floor(USERS), pages.floor(MONOLITH)) == (1, 2, 0)
    assert list(Ledger.objects.of(MONOLITH).values_list("deleted", flat=True)) == [True]


def test_each_of_two_consumers_keeps_its_own_record_of_one_authority() -> None:
    for model, values in (
        (Subscription, {"authority": "users"}),
        (Unknown, {"authority": "users", "aggregate_id": "1", "asked_at": timezone.now()}),
        (LostErasure, {"authority": "users", "aggregate_id": "1"}),
        (Sequence, {}),
    ):
        kept: Any = model
        for alias in (BILLING, MONOLITH):
            kept.objects.using(alias).create(context=alias.context, **values)
        assert issubclass(kept, OwnedModel)
        assert [kept.objects.of(alias).count() for alias in (USERS, BILLING, MONOLITH)] == [0, 1, 1], model
