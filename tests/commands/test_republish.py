"""`republish`: the changes without an event, and the events recorded for them."""

import django
import pytest
from django_outbox_pattern.models import Published

from messaging.models import Consumer, Repair
from tests.commands.calling import call
from users.models import User
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def silent():
    """Make five users and change three of them without an event; returns the ids of these."""
    users = [user_register(email=f"u{number}@example.org", name="U") for number in range(5)]
    User.objects.using("users").filter(pk__in=[user.pk for user in users[:3]]).update(name="Silently")
    values = {"queue": "billing", "types": [], "fields": [], "owners": ["team@example.org", "boss@example.org"]}
    Consumer.objects.using("users").create(name="billing", **values)
    return {str(user.pk) for user in users[:3]}


def test_a_dry_run_lists_exactly_the_changed_ones_and_records_nothing(silent, mailoutbox):
    ended = call("republish", "users", "--dry-run", "--json")
    assert (ended.code, set(ended.json["missing"]), ended.json["republished"]) == (0, silent, 0)
    text = call("republish", "users", "--dry-run").out
    assert "3 rows of users changed without an event:" in text
    assert all(subject in text for subject in silent)
    assert Published.objects.using("users").count() == 5
    assert not mailoutbox
    assert not Repair.objects.using("users").exists()


def test_it_records_them_and_tells_the_owners(silent, mailoutbox):
    ended = call("republish", "users", "--json")
    assert (ended.code, set(ended.json["missing"]), ended.json["republished"]) == (0, silent, 3)
    assert Published.objects.using("users").count() == 8
    repair = Repair.objects.using("users").get()
    assert (repair.kind, repair.consumers, repair.counts["republished"]) == ("republish", ["billing"], 3)
    (mail,) = mailoutbox
    assert mail.to == ["boss@example.org", "team@example.org"]
    assert "republish users" in mail.body
    assert repair.done_by in mail.body


def test_with_nothing_missing_no_mail_is_sent(silent, mailoutbox):
    call("republish", "users")
    ended = call("republish", "users", "--json")
    assert (ended.code, ended.json) == (0, {"missing": [], "republished": 0, "refused": {}})
    assert len(mailoutbox) == 1
    assert Repair.objects.using("users").count() == 1
    assert "Every row of users has an event for its last change." in call("republish", "users").out


def test_a_row_that_makes_no_event_is_named(silent):
    wrong = User.objects.using("users").get(pk=min(silent))
    User.objects.using("users").filter(pk=wrong.pk).update(status="banned")
    ended = call("republish", "users", "--json")
    assert (ended.code, ended.json["republished"]) == (1, 2)
    assert list(ended.json["refused"]) == [str(wrong.pk)]
    assert str(wrong.pk) in ended.err


def test_a_mail_server_that_fails_is_noted_and_stops_nothing(silent, settings):
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": {"host": "127.0.0.1", "port": 1}}}
    else:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = smtp, "127.0.0.1", 1
    ended = call("republish", "users", "--json")
    assert (ended.code, ended.json["republished"]) == (0, 3)
    note = "The mail to the owners could not be sent: connection refused error."
    assert Repair.objects.using("users").get().result.endswith(note)


@pytest.mark.parametrize(
    ("context", "said"),
    [("shipping", "not a context"), ("billing", "billing has no feed, so the current state of its rows can't be read")],
)
def test_wrong_usage(context, said, settings):
    settings.MESSAGING = {**settings.MESSAGING, "FEEDS": {"billing": None}}
    ended = call("republish", context)
    assert ended.code == 2
    assert said in ended.err
