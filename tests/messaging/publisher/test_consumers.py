"""The register: entries, tokens, and the position up to which a consumer has everything."""

import stat
import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from messaging import settings as messaging_settings
from messaging.errors import InvalidConsumer, NotRegistered, TokenRejected
from messaging.models import Consumer
from messaging.publisher import consumers

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

HOUR = timedelta(hours=1)
WISHES = {"types": ["users.user.created.v1"], "fields": ["status"]}


@pytest.fixture
def kept(tmp_path, settings):
    """The folder of tokens; and the token that the consumer would send, from its environment or the file."""
    given: dict[str, str] = {}

    def token(consumer, authority):
        file = messaging_settings.token_file(consumer, authority)
        return given.get("token") or (file.read_text().strip() if file.exists() else "")

    settings.MESSAGING = {**settings.MESSAGING, "TOKEN_FOLDER": tmp_path / "tokens", "API_TOKEN": token}
    return given


def register(name="billing", **more):
    return consumers.register_consumer(authority="users", name=name, **{**WISHES, **more})


def issue(name="billing", ttl=HOUR):
    return consumers.issue_token(authority="users", name=name, ttl=ttl)


def entry(name="billing"):
    return Consumer.objects.using("users").get(name=name)


def rejection(token, authority="users"):
    with pytest.raises(TokenRejected) as rejected:
        consumers.by_token(authority, token)
    assert token not in str(rejected.value) or not token
    return rejected.value.reason


def test_a_new_entry_may_bootstrap_has_no_token_and_never_reported():
    consumer = register()
    assert (consumer.bootstrap_open, consumer.bootstrap_closes_at, consumer.bootstrapped_to) == (True, None, 0)
    assert (consumer.token_hash, consumer.checkpoint, consumer.owners, consumer.staleness_seconds) == ("", None, [], 900)


def test_an_entry_that_changes_keeps_what_was_not_said():
    register(owners=["ops@example.org", "ops@example.org"], staleness=timedelta(minutes=2))
    token = issue()
    consumers.report_checkpoint(authority="users", name="billing", checkpoint=7)
    consumers.close_bootstrap(authority="users", name="billing", position=7)
    register(fields=["status", "status_since"])
    consumer = consumers.by_token("users", token)
    assert (consumer.owners, consumer.staleness_seconds) == (["ops@example.org"], 120)
    assert (consumer.fields, consumer.checkpoint, consumer.bootstrap_open) == (["status", "status_since"], 7, False)
    assert register(owners=[]).owners == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"owners": ["nobody"]},
        {"owners": ["a@example.org", "a@b@c"]},
        {"staleness": timedelta(0)},
        {"staleness": timedelta(days=4000)},
        {"fields": ["password"]},
        {"types": []},
    ],
)
def test_a_refused_registration_writes_nothing(wrong):
    with pytest.raises(InvalidConsumer):
        register(**wrong)
    assert not consumers.registered("users")


def test_a_token_is_stored_as_a_hash_only():
    register()
    token = issue()
    assert consumers.by_token("users", token).name == "billing"
    with connections["users"].cursor() as cursor:
        cursor.execute("SELECT * FROM messaging_consumer")
        row = cursor.fetchall()[0]
    assert not any(token in str(value) for value in row)
    assert entry().token_expires_at - timezone.now() <= HOUR


def test_a_token_opens_only_where_it_was_issued_and_as_long_as_it_lives():
    register()
    register("shipping")
    first, other = issue(), issue("shipping")
    assert consumers.by_token("users", other).name == "shipping"
    assert rejection(first, authority="billing") == "unknown_token"
    for nonsense in ("", "x", first[:-1], first.lower(), "\x00", "\ud800", "ü", "a" * 100_000):
        assert rejection(nonsense) == "unknown_token"
    second = issue()
    assert rejection(first) == "unknown_token"
    Consumer.objects.using("users").filter(name="billing").update(token_expires_at=timezone.now())
    assert rejection(second) == "expired_token"
    consumers.prolong_token(authority="users", name="billing", ttl=HOUR)
    assert consumers.by_token("users", second).name == "billing"
    assert consumers.revoke_consumer(authority="users", name="billing")
    assert rejection(second) == "unknown_token"
    assert consumers.by_token("users", other).name == "shipping"


def test_an_empty_token_belongs_to_no_consumer():
    register()
    assert rejection("") == "unknown_token"


def test_only_who_is_registered_gets_anything():
    for act in (
        lambda: issue("ghost"),
        lambda: consumers.prolong_token(authority="users", name="ghost", ttl=HOUR),
        lambda: consumers.open_bootstrap(authority="users", name="ghost", ttl=HOUR),
        lambda: consumers.close_bootstrap(authority="users", name="ghost", position=1),
    ):
        with pytest.raises(NotRegistered, match="ghost is not registered with users"):
            act()
    assert consumers.report_checkpoint(authority="users", name="ghost", checkpoint=1) is False


def test_a_checkpoint_only_moves_forward():
    register()
    for said, kept in ((0, 0), (5, 5), (3, 5), (9, 9)):
        before = timezone.now()
        assert consumers.report_checkpoint(authority="users", name="billing", checkpoint=said)
        assert entry().checkpoint == kept
        assert entry().reported_at >= before


def test_reports_that_race_end_at_the_highest():
    register()

    def report(start):
        try:
            for checkpoint in range(start, 100, 4):
                consumers.report_checkpoint(authority="users", name="billing", checkpoint=checkpoint)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=report, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entry().checkpoint == 99


def test_a_token_is_kept_for_a_consumer_that_runs_here(kept):
    register()
    file = consumers.keep_token(consumer="billing", authority="users", token="one")
    assert file == messaging_settings.token_file("billing", "users")
    assert consumers.keep_token(consumer="billing", authority="users", token="two") == file
    assert file.read_text() == "two\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [found.name for found in file.parent.glob("[!.]*")] == ["billing-at-users"]
    assert consumers.keep_token(consumer="shipping", authority="users", token="three") is None


def test_a_token_that_is_missing_or_worthless_is_made_anew(kept):
    register()

    def ensured():
        return consumers.ensure_token(consumer="billing", authority="users", ttl=HOUR)

    file = messaging_settings.token_file("billing", "users")
    assert ensured() is True
    token = file.read_text().strip()
    assert consumers.by_token("users", token).name == "billing"
    assert ensured() is False
    assert file.read_text().strip() == token
    Consumer.objects.using("users").update(token_expires_at=timezone.now())
    assert ensured() is True
    file.write_text("cut off")
    assert ensured() is True
    assert consumers.by_token("users", file.read_text().strip()).name == "billing"


def test_a_token_from_the_environment_is_left_alone(kept):
    register()
    kept["token"] = issue()
    assert consumers.ensure_token(consumer="billing", authority="users", ttl=HOUR) is False
    assert consumers.by_token("users", kept["token"]).name == "billing"
    assert not messaging_settings.token_file("billing", "users").exists()
