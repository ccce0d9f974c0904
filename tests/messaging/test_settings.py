"""A context's settings in `MESSAGING`."""

import inspect
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from messaging import settings as messaging_settings
from messaging.consumer import handlers
from messaging.consumer.cache import declared_caches
from messaging.errors import NoCache
from messaging.publisher.tokens import keep_token
from messaging.replica.replica import Replica


@pytest.mark.parametrize(
    ("declared", "aliases"),
    [
        (["users", "billing"], {"users": "users", "billing": "billing"}),
        ({"users": {"database": "default"}, "billing": {}}, {"users": "default", "billing": "billing"}),
    ],
)
def test_a_context_lives_in_the_database_that_is_declared_or_is_called_so(settings: Any, declared: Any, aliases: Any) -> None:
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": declared}
    assert {name: context.alias for name, context in messaging_settings.contexts().items()} == aliases


def test_only_the_contexts_have_to_be_named(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MESSAGING, settings.BASE_DIR = {"CONTEXTS": {"users": {"database": "default"}, "shipping": {}}}, tmp_path
    assert messaging_settings.feeds() == ["users"]
    assert messaging_settings.feed_path("users") == "users.feed.FEED"
    assert messaging_settings.feed_path("billing") is None  # it isn't in this process
    assert messaging_settings.handlers_path("users") == "users.handlers.HANDLERS"
    assert (messaging_settings.handlers_path("shipping"), messaging_settings.caches_path("shipping")) == ("", "")
    assert (handlers.table("shipping"), declared_caches("shipping")) == ({}, {})
    assert messaging_settings.key_folder() == tmp_path / "var" / "messaging" / "keys"
    assert messaging_settings.splits() == {}
    assert messaging_settings.retry_delays() == [1, 4, 16]
    assert messaging_settings.api_rate() == 500
    assert messaging_settings.api_url("users") == ""
    monkeypatch.setenv("USERS_API_URL", "https://users.example/")
    monkeypatch.setenv("USERS_PUBLIC_KEYS", "one, two")
    assert messaging_settings.api_url("users") == "https://users.example"
    assert (messaging_settings.public_keys("users"), messaging_settings.signing_keys("users")) == (["one", "two"], [])


def test_a_token_is_in_the_environment_or_where_this_machine_keeps_it(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MESSAGING = {"CONTEXTS": ["users", "billing"], "FOLDER": tmp_path / "private"}
    assert messaging_settings.api_token("billing", "users") == ""
    file = keep_token(consumer="billing", authority="users", token="kept")
    assert file is not None
    assert messaging_settings.api_token("billing", "users") == "kept"
    assert (file.parent / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv("USERS_API_TOKEN", "given")
    assert messaging_settings.api_token("billing", "users") == "given"


def test_without_contexts_the_error_shows_what_to_write(settings: Any) -> None:
    del settings.MESSAGING
    with pytest.raises(ImproperlyConfigured, match=r'MESSAGING\["CONTEXTS"\] is not set.*MESSAGING = \{"CONTEXTS"'):
        messaging_settings.contexts()


def test_a_context_of_another_process_is_named_with_those_of_this_one() -> None:
    with pytest.raises(ImproperlyConfigured, match="has no context 'shipping'.*CONTEXTS.*users, billing, monolith"):
        messaging_settings.context("shipping")


def test_a_second_feed_belongs_to_its_context() -> None:
    assert messaging_settings.authority("monolith_invoices") == "monolith"
    assert messaging_settings.context("monolith").publishes == ["monolith", "monolith_invoices"]


def test_a_copy_that_nobody_declares_is_refused() -> None:
    with pytest.raises(NoCache, match="billing keeps no copy of shipping. Its copies: users, monolith_invoices"):
        Replica.of("billing", "shipping")


def test_a_client_is_shared_within_a_block_and_closed_by_the_outermost() -> None:
    replica = Replica.of("billing", "users")
    with replica.connected() as client:
        with replica.connected() as same:
            assert same is client
        assert replica.client is client
    with pytest.raises(RuntimeError, match="There is no connection to users"):
        _ = replica.client


def test_every_entry_that_is_read_is_a_known_one():
    """Another one is reported as misspelled (`messaging.W016`)."""
    source = inspect.getsource(messaging_settings)
    read = re.findall(r'(?:_setting\(|_folder\(|\.get\()"([A-Z_]+)"', source)
    assert set(read) == set(messaging_settings.ENTRIES)
