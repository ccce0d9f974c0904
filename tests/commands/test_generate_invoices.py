"""`generate_invoices`: billing's own job."""

import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from billing.models import CachedUser, Invoice
from messaging.models import Subscription
from tests import warm
from tests.commands.calling import call

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ROOT = Path(__file__).parents[2]
UNKNOWN = "The age of the copy of users isn't known: it was never confirmed to be caught up."
#: A run by the cache adds these keys; it calls nobody.
BY_CACHE = {"source": "cache", "calls": 0, "seconds": 0.0}


def cached(status):
    now = timezone.now()
    times = {"status_since": now, "authority_time": now, "received_at": now}
    CachedUser.objects.using("billing").create(user_id=uuid.uuid4(), status=status, version=1, source="event", **times)


def confirm(**ago):
    then = timezone.now() - timedelta(**ago)
    Subscription.objects.using("billing").update_or_create(authority="users", defaults={"confirmed_at": then})


def generate(*words):
    return call("generate_invoices", "--period", "2026-11", *words)


def test_bills_active_users_once():
    for status in ("active", "active", "suspended", "erased"):
        cached(status)
    ended = call("generate_invoices", "--period", "2026-11", "--json")
    assert ended.code == 0
    assert ended.json == {"issued": 2, "skipped": 2, "held": 0, "reason": UNKNOWN, "already": 0} | BY_CACHE
    again = call("generate_invoices", "--period", "2026-11", "--json")
    assert again.json == {"issued": 0, "skipped": 2, "held": 0, "reason": UNKNOWN, "already": 2} | BY_CACHE
    assert Invoice.objects.using("billing").count() == 2


def test_tells_a_person():
    cached("active")
    assert "1 invoice issued for 2026-12" in call("generate_invoices", "--period", "2026-12").out


@pytest.mark.parametrize("period", ["2026-13", "November", "2026-11\n", "1999-01", ""])
def test_wrong_period(period):
    ended = call("generate_invoices", "--period", period)
    assert ended.code == 2
    assert "is not a month" in ended.err
    assert not Invoice.objects.using("billing").exists()


def test_a_copy_that_is_young_enough_needs_no_word():
    cached("active")
    confirm(minutes=5)
    assert generate("--json").json == {"issued": 1, "skipped": 0, "held": 0, "reason": "", "already": 0} | BY_CACHE


def test_holds_by_an_old_copy_and_says_what_to_do():
    for status in ("active", "active", "suspended"):
        cached(status)
    confirm(hours=1)
    ended = generate("--json")
    assert ended.code == 3
    reason = "The copy of users was last confirmed to be caught up 1 hour ago. The accepted age is 15 minutes."
    assert ended.json == {"issued": 0, "skipped": 1, "held": 2, "reason": reason, "already": 0} | BY_CACHE
    assert ended.err.startswith(f"2 users are held. {reason}")
    assert "catch_up billing --from users" in ended.err
    assert "--policy ask" in ended.err
    assert not Invoice.objects.using("billing").exists()


def test_holds_a_copy_of_unknown_age_where_a_bound_is_given():
    cached("active")
    ended = generate("--max-staleness", "1h", "--json")
    assert (ended.code, ended.json["held"]) == (3, 1)
    assert ended.json["reason"] == f"{UNKNOWN} The accepted age is 1 hour."


def test_a_bound_of_ones_own():
    cached("active")
    confirm(hours=1)
    assert generate("--max-staleness", "59m").code == 3
    assert generate("--max-staleness", "61m").code == 0


def test_proceeds_where_told_to_and_says_how_old_the_copy_was():
    cached("active")
    confirm(hours=1)
    ended = generate("--policy", "proceed")
    assert ended.code == 0
    assert ended.out.startswith("1 invoice issued for 2026-11; 0 users skipped, 0 invoiced before. The copy of users was last")


def test_policy_ask_holds_without_an_answer(settings):
    cached("active")
    confirm(hours=1)
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: "http://127.0.0.1:9"}
    ended = generate("--policy", "ask", "--json")
    assert (ended.code, ended.json["held"]) == (3, 1)
    assert "users doesn't answer at http://127.0.0.1:9" in ended.json["reason"]
    assert "Run this command again when users answers" in ended.err


@pytest.mark.parametrize("age", ["15", "soon", "-1m", "", "1.5h"])
def test_wrong_age(age):
    ended = call("generate_invoices", "--period", "2026-11", f"--max-staleness={age}")
    assert ended.code == 2
    assert "is not a duration" in ended.err


def test_no_table_is_a_sentence(monkeypatch):
    monkeypatch.setattr(CachedUser._meta, "db_table", f"gone_{uuid.uuid4().hex}")
    ended = generate("--json")
    assert ended.code == 3
    assert ended.err.startswith("The database of billing can't be used")
    assert not connections["billing"].in_atomic_block


def test_a_wrong_policy_is_wrong_usage():
    words = ["manage.py", "generate_invoices", "--period", "2026-11", "--policy", "guess"]
    ended = warm.run(words, cwd=ROOT, env=os.environ, timeout=60)
    assert ended.returncode == 2
    assert all(policy in ended.stderr for policy in ("hold", "ask", "proceed"))


def test_a_period_is_required():
    ended = warm.run(["manage.py", "generate_invoices"], cwd=ROOT, env=os.environ, timeout=60)
    assert ended.returncode == 2
    assert "--period" in ended.stderr
