"""`split`: what a load copies, which events it sends, and how the copy follows."""

import uuid

import pytest
from django.db import transaction

from billing.models import CachedUser
from messaging.errors import Unreachable
from messaging.ledger import ledger
from messaging.models import Consumer, Incident, Ledger, Subscription
from monolith.models import User
from tests.commands.calling import call
from tests.commands.splits import INVOICE_FACTS, bill, equal_invoices, equal_users, follow, people
from users.models import User as Moved
from users.services import user_register

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("web", "unguarded")]


def test_it_loads_and_compares_and_run_twice_changes_nothing():
    people(23)
    first = call("split", "users", "--page-size", "7", "--json")
    assert (first.code, first.json["verdict"], first.json["rows"], first.json["owner"]) == (0, "in_sync", 23, "monolith")
    assert equal_users()
    before = list(Moved.objects.using("users").order_by("id").values())
    source = list(User.objects.using("monolith").order_by("id").values())
    again = call("split", "users", "--json")
    assert (again.code, again.json["verdict"], again.json["rows"]) == (0, "in_sync", 0)
    assert list(Moved.objects.using("users").order_by("id").values()) == before
    assert list(User.objects.using("monolith").order_by("id").values()) == source


def test_moved_rows_have_their_place_in_the_feed_when_they_arrive():
    """The first reader, the monolith after the flip, would wait too long for the positions of half a million rows."""
    people(23)
    call("split", "users", "--page-size", "7")
    entries = Ledger.objects.using("users")
    assert entries.count() == 23
    assert not entries.filter(position=None).exists()


def test_moved_rows_have_no_event_and_none_is_missing():
    people(3)
    call("split", "users")
    assert not ledger.unannounced("users").exists()
    assert not Incident.objects.using("users").exists()
    assert call("republish", "users", "--dry-run", "--json").json["missing"] == []


def test_billings_copy_gets_moved_users_by_their_position():
    call("consumers", "register", "billing", "--to", "users")
    people(4)
    call("split", "users")
    assert call("catch_up", "billing", "--from", "users").code == 0
    assert CachedUser.objects.using("billing").count() == 4
    assert not Incident.objects.using("billing").exists()


def test_invoices_move_without_the_name_that_they_were_billed_to():
    bill(people(6))
    ended = call("split", "billing", "--json")
    assert (ended.code, ended.json["verdict"], ended.json["rows"]) == (0, "in_sync", 6)
    assert equal_invoices()
    assert Consumer.objects.using("monolith").get(name="billing").fields == sorted(set(INVOICE_FACTS) - {"id"})


def test_one_token_opens_the_feed_that_it_was_given_for(client, token_folder):
    people(1)
    call("split", "users")
    token = (token_folder / "users-at-monolith").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    head = Consumer.objects.using("monolith").get(name="users").bootstrapped_to
    assert client.get(f"/api/monolith/changes/?since={head}", headers=headers).status_code == 200
    refused = client.get(f"/api/monolith_invoices/changes/?since={head}", headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (401, "unknown_token")


def test_swapped_addresses_pass_whatever_the_page():
    first, second, third = people(3)
    call("split", "users")
    with transaction.atomic(using="monolith"):
        addresses = second.email, third.email, first.email
        User.objects.using("monolith").update(email="")
        for user, email in zip((first, second, third), addresses, strict=True):
            User.objects.using("monolith").filter(pk=user.pk).update(email=email)
    ended = call("split", "users", "--page-size", "1", "--json")
    assert ended.json["verdict"] == "in_sync"
    assert equal_users()


def test_an_address_of_a_user_that_began_in_the_context_is_not_taken_away():
    own = user_register(email="u1@example.org", name="Own")
    people(3)
    ended = call("split", "users")
    assert ended.code == 3
    assert f"users.user {own.pk} was created in users" in ended.err
    assert Moved.objects.using("users").get(pk=own.pk).email == "u1@example.org"
    user_change = User.objects.using("monolith").filter(email="u1@example.org").update(email="other@example.org")
    assert user_change == 1
    ended = call("split", "users", "--json")
    assert (ended.code, ended.json["verdict"], ended.json["began"]) == (0, "in_sync", 1)


def test_status_shows_who_is_followed_and_only_that():
    people(2)
    call("split", "users")
    pairs = lambda: {(row["consumer"], row["authority"]) for row in call("status", "--json").json["consumers"]}  # noqa: E731
    assert ("users", "monolith") in pairs()
    call("split", "users", "--flip")
    assert ("users", "monolith") not in pairs()
    assert ("monolith", "users") in pairs()


def test_without_a_split_sync_calls_nobody(monkeypatch, caplog):
    asked = []

    def ask(self, *words, **more):
        asked.append((self.consumer, self.name))
        raise Unreachable("There is no API in this test.")

    monkeypatch.setattr("messaging.replica.client.AuthorityClient._ask", ask)
    for context in ("users", "monolith"):
        follow(context)
    assert set(asked) == {("users", "billing")}  # that copy has nothing to do with a split
    assert caplog.text == ""
    assert not Subscription.objects.using("users").exclude(authority="billing").exists()


def test_following_is_quiet_and_needs_no_broker(caplog):
    people(2)
    call("split", "users")
    User.objects.using("monolith").create(id=uuid.uuid4(), email="later@example.org", name="Later")
    follow("users")
    assert equal_users()
    assert not [
        record for record in caplog.records if record.levelname in ("WARNING", "ERROR") and record.name.startswith("messaging")
    ]
