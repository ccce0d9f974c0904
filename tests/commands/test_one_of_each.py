"""Every command with exactly one of each thing that it counts: the noun and the verb are singular."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing.models import CachedUser
from messaging.consumer import inbox
from messaging.database.outbox_pattern import SENT
from messaging.ledger import sequencer
from messaging.models import Ledger, Parked
from messaging.replica import search
from tests.commands.calling import call
from tests.messaging.conftest import api  # noqa: F401  (a fixture)
from tests.messaging.rows import authority_has, cache_has
from users.models import User
from users.services import user_erase, user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

NOUNS = (
    "aggregates bytes calls changes copies events files invoices messages pages positions reads rows tombstones tries trips users"
)
PLURAL = re.compile(rf"\b1 (\w+ )?({NOUNS.replace(' ', '|')})\b(?!/s)|\b1 (\w+ )+(are|differ|have|stay|stand|were)\b")


def said(*words):
    """Return all that a command prints for a person."""
    ended = call(*words)
    text = ended.out + ended.err
    found = PLURAL.search(text)
    assert not found, f"{found[0]!r} in: {text}" if found else ""
    return text


@pytest.fixture
def one(api, monkeypatch):  # noqa: F811
    """One user at the authority, and an equal copy."""
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)
    (key,) = authority_has(1)
    cache_has({key: (1, "active")})
    return key


def test_a_comparison(one):
    rows = CachedUser.objects.using("billing").filter(pk=one)
    words = "reconcile", "billing", "--from", "users"
    assert "The copy equals the authority. 1 round trip, " in said(*words)
    rows.update(status="suspended")
    assert "1 row differs. " in said(*words)
    assert "1 row differs, 1 repaired. " in said(*words, "--repair")
    rows.update(version=9)
    assert "1 row still differs: it is ahead" in said(*words, "--repair")
    assert Parked.objects.using("billing").count() == 0


def test_a_bootstrap_and_a_catch_up(one):
    CachedUser.objects.using("billing").all().delete()
    call("consumers", "open", "billing", "--to", "users", "--ttl", "1h")
    assert "1 row in 1 page, " in said("bootstrap", "billing", "--from", "users")
    User.objects.using("users").filter(pk=one).update(name="Other")
    assert "1 change read, 1 new." in said("catch_up", "billing", "--from", "users")


def test_events(api):  # noqa: F811
    user = user_register(email="ada@example.org", name="Ada")
    Published.objects.using("users").update(status=SENT)  # sent
    assert "1 event would be sent again, in 1 copy. Expected outcomes: " in said("replay", "users", "--dry-run")
    User.objects.using("users").filter(pk=user.pk).update(name="Silent")
    assert "1 row of users changed without an event:" in said("republish", "users", "--dry-run")
    assert "Recorded 1 event of users for a row that changed without one:" in said("republish", "users")
    assert "gets " in said(
        "consumers", "register", "reader", "--to", "users", "--types", "users.user.created.v1", "--fields", "status"
    )


def test_a_purge(api):  # noqa: F811
    user = user_register(email="ada@example.org", name="Ada")
    user_erase(user_id=user.pk)
    sequencer.stamp_pending("users")
    then = timezone.now() - timedelta(days=40)
    Ledger.objects.using("users").update(changed_at=then)
    Published.objects.using("users").update(added=then)
    Published.objects.using("users").filter(destination="users.user.erased.v1").update(status=SENT)
    assert "stays" in said("purge", "users", "--dry-run")


def test_seeds():
    assert said("seed", "--users", "1", "--with-events").startswith("1 user saved (0 suspended), 1 event.")
    assert said("seed_monolith", "--users", "1").startswith("1 user saved in the monolith; 1 invoice issued for ")


def test_tracking():
    user_register(email="ada@example.org", name="Ada")
    assert said("untrack", "users").startswith("Removed the triggers of users.user and 1 entry of the ledger. ")
    assert "this run entered 1 row" in said("track", "users")


def test_invoices(one):
    assert "1 invoice issued for 2026-11; 0 users skipped" in said(
        "generate_invoices", "--period", "2026-11", "--policy", "proceed"
    )
    words = "generate_invoices", "--period", "2026-12", "--max-staleness", "0s"
    assert "1 user is held." in said(*words, "--policy", "hold")


def test_parked_messages():
    inbox.receive("billing", [{"not": "an event"}])
    key = str(Parked.objects.using("billing").get().pk)
    assert "after 1 try, arrived " in said("parked", "show", "billing", key)
    assert "1 of 1 message failed again. To see why: manage.py parked list billing." in said("parked", "retry", "billing", "--all")
    assert "1 message discarded. The table keeps the note." in said("parked", "discard", "billing", key, "--note", "a test")
