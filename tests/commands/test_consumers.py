"""`consumers`: the authority's register."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from billing.handlers import HANDLERS
from messaging.errors import TokenRejected
from messaging.models import Consumer
from messaging.publisher import consumers
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
    words = ("--types", "users.user.erased.v1", "--fields", "status, status_since, email")
    ended = call("consumers", "register", "billing", "--to", "users", *words)
    assert ended.code == 0
    assert "billing gets 1 event type from users" in ended.out
    consumer = Consumer.objects.using("users").get()
    assert (consumer.types, consumer.fields) == (["users.user.erased.v1"], ["email", "status", "status_since"])


def test_a_remote_consumer_names_its_types_and_fields():
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


def test_a_consumer_of_this_process_gets_no_less_than_it_reads():
    """Without a field that its reader needs, every copy would be parked, and no page of the feed could be read."""
    ended = call("consumers", "register", "billing", "--to", "users", "--fields", "status,email")
    assert ended.code == 2
    assert "billing can't read events without status_since" in ended.err
    assert not Consumer.objects.using("users").exists()


def test_list():
    assert "There are no consumers" in call("consumers", "list").out
    call("consumers", "register", "billing", "--to", "users")
    assert "users.user.erased.v1" in call("consumers", "list").out
    for words in (("list", "--json"), ("--json", "list")):
        (row,) = call("consumers", *words).json["consumers"]
        assert (row["consumer"], row["authority"], row["queue"]) == ("billing", "users", "billing")


def test_revoke():
    call("consumers", "register", "billing", "--to", "users")
    token = call("consumers", "register", "billing", "--to", "users", "--new-token", "--json").json["token"]
    ended = call("consumers", "revoke", "billing", "--from", "users", "--json")
    assert (ended.code, ended.json["revoked"]) == (0, True)
    assert not Consumer.objects.using("users").exists()
    with pytest.raises(TokenRejected, match="revoked"):
        consumers.by_token("users", token)
    again = call("consumers", "revoke", "billing", "--from", "users")
    assert again.code == 2
    assert "billing isn't registered with users." in again.err


def entry(authority="users"):
    return Consumer.objects.using(authority).get()


def kept(folder):
    return {file.name: file.read_text().strip() for file in folder.glob("[!.]*")} if folder.exists() else {}


def test_the_token_is_printed_once_and_kept_if_the_consumer_runs_here(token_folder):
    ended = call("consumers", "register", "billing", "--to", "users")
    (token,) = [line.rpartition(" ")[2] for line in ended.out.splitlines() if line.startswith("Its token, valid for ")]
    assert consumers.by_token("users", token).name == "billing"
    assert kept(token_folder) == {"billing-at-users": token}
    assert f"saved for billing in {token_folder / 'billing-at-users'}" in ended.out
    for words in (
        ("list",),
        ("list", "--json"),
        ("register", "billing", "--to", "users"),
        ("open", "billing"),
        ("close", "billing"),
    ):
        said = call("consumers", *words)
        assert said.code == 0
        assert token not in said.out + said.err
        assert entry().token_hash not in said.out + said.err
    assert consumers.by_token("users", token).name == "billing"


def test_a_token_of_a_consumer_elsewhere_is_printed_and_kept_nowhere(token_folder):
    words = ("--fields", "status", "--types", "users.user.created.v1")
    ended = call("consumers", "register", "shipping", "--to", "users", *words, "--json")
    assert consumers.by_token("users", ended.json["token"]).name == "shipping"
    assert ended.json["token_file"] is None
    assert kept(token_folder) == {}
    again = call("consumers", "register", "shipping", "--to", "users", *words, "--new-token")
    assert "Store the token for MESSAGING['API_TOKEN'] where it runs." in again.out


def test_a_token_that_can_not_be_kept_is_still_printed(token_folder):
    token_folder.parent.mkdir(exist_ok=True)
    token_folder.write_text("a file where the folder should be")
    ended = call("consumers", "register", "billing", "--to", "users", "--json")
    assert ended.code == 0
    assert "billing's token can't be saved here" in ended.err
    assert consumers.by_token("users", ended.json["token"]).name == "billing"


def test_registering_again_keeps_the_token_until_another_is_asked_for(token_folder):
    first = call("consumers", "register", "billing", "--to", "users", "--json").json["token"]
    again = call("consumers", "register", "billing", "--to", "users", "--json").json
    assert (again["token"], again["token_file"]) == (None, None)
    assert consumers.by_token("users", first).name == "billing"
    second = call("consumers", "register", "billing", "--to", "users", "--new-token", "--json").json["token"]
    assert second != first
    assert kept(token_folder) == {"billing-at-users": second}
    with pytest.raises(TokenRejected, match="replaced"):
        consumers.by_token("users", first)


def test_the_token_s_lifetime():
    ended = call("consumers", "register", "billing", "--to", "users", "--ttl", "15m")
    assert "valid for 15m" in ended.out
    assert timedelta(minutes=14) < entry().token_expires_at - timezone.now() <= timedelta(minutes=15)
    assert "valid for 30d from now" in call("consumers", "register", "billing", "--to", "users", "--ttl", "30d").out
    call("consumers", "register", "billing", "--to", "users")
    assert timedelta(days=29) < entry().token_expires_at - timezone.now() <= timedelta(days=30)


def test_owners_and_staleness():
    words = ("--owners", "a@example.org, b@example.org", "--staleness", "90s")
    ended = call("consumers", "register", "billing", "--to", "users", *words, "--json")
    assert ended.json["owners"] == ["a@example.org", "b@example.org"]
    assert ended.json["staleness_seconds"] == 90
    call("consumers", "register", "billing", "--to", "users")
    assert (entry().owners, entry().staleness_seconds) == (["a@example.org", "b@example.org"], 90)
    assert "90s" in call("consumers", "list").out
    call("consumers", "register", "billing", "--to", "users", "--owners", "")
    assert entry().owners == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("register", "billing", "--to", "users", "--owners", "nobody"), "'nobody' is not an e-mail address"),
        (("register", "billing", "--to", "users", "--staleness", "0s"), "from 1s to"),
        (("register", "billing", "--to", "users", "--staleness", "15"), "not a duration"),
        (("register", "billing", "--to", "users", "--ttl", "0s"), "--ttl 0s is zero."),
        (("register", "billing", "--to", "users", "--ttl", "soon"), "not a duration"),
        (("register", "billing"), "No authority in this process knows billing. Name one: --to users"),
        (("open", "billing"), "No authority in this process knows billing"),
        (("open", "billing", "--to", "users"), "billing is not registered with users"),
        (("close", "billing", "--to", "users"), "billing is not registered with users"),
        (("close", "billing", "--to", "moon"), "'moon' is not a context"),
        (("revoke", "billing"), "No authority in this process knows billing"),
    ],
)
def test_wrong_words_change_nothing(words, said, token_folder):
    ended = call("consumers", *words)
    assert ended.code == 2
    assert said in ended.err
    assert not Consumer.objects.using("users").exists()
    assert kept(token_folder) == {}


def test_open_and_close():
    call("consumers", "register", "billing", "--to", "users")
    consumers.close_bootstrap(authority="users", name="billing", position=5)
    ended = call("consumers", "open", "billing", "--json")
    assert (ended.code, ended.json["bootstrap"], ended.json["authority"]) == (0, "open", "users")
    assert timedelta(minutes=59) < entry().bootstrap_closes_at - timezone.now() <= timedelta(hours=1)
    assert "open until" in call("consumers", "list").out
    assert "may bootstrap from users for 90s" in call("consumers", "open", "billing", "--from", "users", "--ttl", "90s").out
    assert consumers.may_read(entry(), 0) == ""
    ended = call("consumers", "close", "billing")
    assert "It may still read changes after position 5" in ended.out
    assert consumers.may_read(entry(), 0) == "bootstrap_closed"
    assert "closed, live from 5" in call("consumers", "list").out
    assert call("consumers", "list", "--json").json["consumers"][0]["bootstrap"] == "closed"


def test_closing_before_the_first_success():
    call("consumers", "register", "billing", "--to", "users")
    assert "It was never live, so it can't read the feed" in call("consumers", "close", "billing").out


def test_a_consumer_with_one_name_at_two_authorities_must_be_specified():
    for authority, kind, field in (
        ("users", "users.user.created.v1", "status"),
        ("billing", "billing.invoice.issued.v1", "user_id"),
    ):
        call("consumers", "register", "shipping", "--to", authority, "--types", kind, "--fields", field)
    ended = call("consumers", "open", "shipping")
    assert ended.code == 2
    assert "shipping is registered with users and billing" in ended.err
    assert call("consumers", "revoke", "shipping", "--to", "billing").code == 0
    assert call("consumers", "open", "shipping").code == 0


def test_an_empty_database_is_refused_in_a_sentence():
    asked = (
        ("consumers", "list"),
        ("consumers", "open", "billing"),
        ("consumers", "register", "billing", "--to", "users"),
        ("consumers", "revoke", "billing", "--from", "users"),
        ("parked", "list", "users"),
        ("seed", "--users", "3"),
    )
    call_command("migrate", "messaging", "zero", database="users", verbosity=0, skip_checks=True)
    try:
        ended = {words: call(*words) for words in asked}
    finally:
        call_command("migrate", database="users", verbosity=0, skip_checks=True)
    assert {words: (one.code, "migrate --database" in one.err) for words, one in ended.items()} == dict.fromkeys(asked, (3, True))
    assert "messaging_consumer" in connections["users"].introspection.table_names()
