"""The authority's API as a real server, with billing as a registered consumer."""

from datetime import timedelta

import pytest

from messaging.consumer import handlers
from messaging.publisher import consumers, tokens


@pytest.fixture
def api(live_server, settings):
    """Serve `users`' API, with billing registered and its token set; returns the server's address."""
    types, fields = handlers.wanted("billing", "users") or ([], [])
    consumers.register_consumer(authority="users", name="billing", types=types, fields=fields)
    token = tokens.issue_token(authority="users", name="billing", ttl=timedelta(hours=1))
    settings.MESSAGING = {
        **settings.MESSAGING,
        "API_URL": lambda authority: live_server.url,
        "API_TOKEN": lambda consumer, authority: token,
    }
    return live_server.url
