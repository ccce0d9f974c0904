"""`users`' API for its consumers, over HTTP; billing is registered and may bootstrap."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from messaging.events import contract
from messaging.events.contract import DomainEvent
from messaging.publisher import consumers, tokens

USERS = "/api/users/"
HOUR = timedelta(hours=1)


def registered(name: str, *, authority: str = "users", fields: list[str] | None = None, **options: Any) -> str:
    """Register a consumer of every type; returns its token."""
    contract.load_contracts(authority)
    types = [wire for wire, event in DomainEvent.registry.items() if event.source() == authority]
    known = {name for wire in types for name in DomainEvent.registry[wire].model_fields}
    consumers.register_consumer(authority=authority, name=name, types=types, fields=fields or known, **options)
    return tokens.issue_token(authority=authority, name=name, ttl=HOUR)


@dataclass(frozen=True)
class Api:
    """Calls `users` with a token; `as_` uses another one."""

    token: str

    def as_(self, token: str) -> "Api":
        return Api(token)

    def ask(self, method: str, path: str, body: Any = b"", content_type: str = "application/json", **headers: Any) -> Any:
        known = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return Client(raise_request_exception=False).generic(
            method, f"{USERS}{path}", data=body, content_type=content_type, headers=known | headers
        )

    def get(self, path: str, **headers: Any) -> Any:
        return self.ask("GET", path, content_type="", **headers)

    def post(self, body: Any) -> Any:
        """Post to `fingerprints/`: bytes as they are, anything else as JSON."""
        return self.ask("POST", "fingerprints/", body if isinstance(body, bytes) else json.dumps(body).encode())

    def changes(self, since: int, **query: Any) -> dict[str, Any]:
        answer = self.get("changes/?" + "&".join(f"{name}={value}" for name, value in {"since": since, **query}.items()))
        assert answer.status_code == 200, answer.content
        page: dict[str, Any] = answer.json()
        return page


@pytest.fixture
def users_api() -> Api:
    return Api(registered("billing", fields=["status", "status_since"]))
