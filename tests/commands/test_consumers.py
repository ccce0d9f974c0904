"""`consumers`: the authority's register."""

import pytest

from billing.handlers import HANDLERS
from messaging.models import Consumer
from tests.commands.calling import call

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_registers_what_the_consumer_reads():
    ended = call("consumers", "register", "billing", "--to", "users", "--json")
    assert ended.code == 0
    assert ended.json["types"] == sorted(HANDLERS)
    assert ended.json["fields"] == ["status", "status_since"]
    consumer = Consumer.objects.using("users").get()
    assert (consumer.name, consumer.queue, consumer.fields) == ("billing", "billing", ["status", "status_since"])


def test_registering_again_changes_the_entry():
    call("consumers", "register", "billing", "--to", "users")
    words = ("--types", "users.user.erased.v1", "--fields", "status, email")
    ended = call("consumers", "register", "billing", "--to", "users", *words)
    assert ended.code == 0
    assert "billing gets 1 event types of users" in ended.out
    consumer = Consumer.objects.using("users").get()
    assert (consumer.types, consumer.fields) == (["users.user.erased.v1"], ["email", "status"])


def test_a_consumer_elsewhere_says_what_it_wants():
    ended = call("consumers", "register", "shipping", "--to", "users", "--fields", "status")
    assert ended.code == 2
    assert "shipping doesn't run in this process" in ended.err
    words = ("--fields", "status", "--types", "users.user.created.v1")
    assert call("consumers", "register", "shipping", "--to", "users", *words).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("billing", "--to", "shipping"), "'shipping' is not a context"),
        (("billing", "--to", "users", "--fields", "password"), "no field 'password'"),
        (("billing", "--to", "users", "--fields", ","), "at least one field"),
        (("billing", "--to", "users", "--types", "users.user.cloned.v1"), "publishes no users.user.cloned.v1"),
        (("Bad name", "--to", "users", "--fields", "status", "--types", "users.user.created.v1"), "can't be a consumer's name"),
        (("users", "--to", "users"), "at least one event type"),
    ],
)
def test_wrong_words_enter_nothing(words, said):
    ended = call("consumers", "register", *words)
    assert ended.code == 2
    assert said in ended.err
    assert not Consumer.objects.using("users").exists()


def test_list():
    assert "Nobody is registered" in call("consumers", "list").out
    call("consumers", "register", "billing", "--to", "users")
    assert "users.user.erased.v1" in call("consumers", "list").out
    for words in (("list", "--json"), ("--json", "list")):
        (row,) = call("consumers", *words).json["consumers"]
        assert (row["consumer"], row["authority"], row["queue"]) == ("billing", "users", "billing")


def test_revoke():
    call("consumers", "register", "billing", "--to", "users")
    ended = call("consumers", "revoke", "billing", "--from", "users", "--json")
    assert (ended.code, ended.json["revoked"]) == (0, True)
    assert not Consumer.objects.using("users").exists()
    again = call("consumers", "revoke", "billing", "--from", "users")
    assert again.code == 2
    assert "not registered" in again.err
