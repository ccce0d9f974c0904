"""The authority's API as a real server, and billing as a registered consumer of it."""

from datetime import timedelta

import pytest

from messaging.consumer import handlers
from messaging.publisher import consumers, tokens


@pytest.fixture
def api(live_server, settings):
    """A server for `users`' API, and billing registered there with its token; returns the server's address."""
    types, fields = handlers.wanted("billing", "users") or ([], [])
    consumers.register_consumer(authority="users", name="billing", types=types, fields=fields)
    token = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=1))
    settings.MESSAGING = {
        **settings.MESSAGING,
        "API_URL": lambda authority: live_server.url,
        "API_TOKEN": lambda consumer, authority: token,
    }
    return live_server.url
