"""`purge`: what it deletes, and which consumer holds back the rest."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_outbox_pattern.models import Published

from messaging.database.outbox_pattern import FAILED, SENT
from messaging.ledger import sequencer
from messaging.models import Consumer, Ledger
from tests.commands.calling import call
from users.models import User
from users.services import user_erase, user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def past():
    """Three users and an erased one, 40 days old, all sent."""
    users = [user_register(email=f"u{number}@example.org", name="U") for number in range(4)]
    user_erase(user_id=users[3].pk)
    sequencer.stamp_pending("users")
    then = timezone.now() - timedelta(days=40)
    Published.objects.using("users").update(added=then, status=SENT)
    Ledger.objects.using("users").update(changed_at=then)
    return users


def register(checkpoint):
    Consumer.objects.using("users").create(name="billing", queue="billing", checkpoint=checkpoint)


def test_it_removes_what_everybody_passed(past):
    head = sequencer.head("users")
    register(head)
    ended = call("purge", "users", "--json")
    assert (ended.code, ended.json["outbox"], ended.json["tombstones"], ended.json["floor"]) == (0, 5, 1, head)
    assert ended.json["held"] == []
    assert not Published.objects.using("users").exists()
    assert User.objects.using("users").count() == 3
    assert "Removed 0 outbox rows and 0 tombstones" in call("purge", "users").out


def test_a_consumer_that_never_started_blocks_it_and_it_says_so(past):
    register(None)
    ended = call("purge", "users")
    assert ended.code == 0
    assert "6 rows stay because of billing: it never reported a checkpoint" in ended.out
    assert "consumers revoke billing --from users" in ended.out
    assert call("purge", "users", "--json").json["held"] == [{"consumer": "billing", "checkpoint": None, "rows": 6}]
    assert Published.objects.using("users").count() == 5


def test_a_dry_run_removes_nothing(past):
    ended = call("purge", "users", "--dry-run")
    assert "Would remove 5 outbox rows and 1 tombstone of users, older than 30d" in ended.out
    assert Published.objects.using("users").count() == 5


def test_the_age_is_asked_for(past):
    assert call("purge", "users", "--older-than", "60d", "--json").json["outbox"] == 0
    assert call("purge", "users", "--older-than", "39d", "--json").json["outbox"] == 5


def test_the_rest_of_what_stays_is_explained(past):
    register(sequencer.head("users") - 1)
    Published.objects.using("users").filter(destination="users.user.erased.v1").update(status=FAILED)
    User.objects.using("users").filter(pk=past[0].pk).delete()
    sequencer.stamp_pending("users")
    Ledger.objects.using("users").update(changed_at=timezone.now() - timedelta(days=40))
    out = call("purge", "users").out
    assert "stay because of billing: its checkpoint is 3, which is below" in out
    assert "1 outbox row stays because it isn't sent. Send: manage.py relay users --once." in out
    Consumer.objects.using("users").update(checkpoint=100)
    assert "1 tombstone stays because no event was recorded. Record it: manage.py republish users" in call("purge", "users").out


@pytest.mark.parametrize("words", [("shipping",), ("users", "--older-than", "soon"), ("users", "--older-than", "30")])
def test_wrong_usage(words):
    assert call("purge", *words).code == 2
