"""A context's settings in `MESSAGING`."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from messaging import settings as messaging_settings
from messaging.errors import NoCache
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
