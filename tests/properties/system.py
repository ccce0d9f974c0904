"""The real system in one process: its databases, its API without a socket, its broker in memory, and faults at named steps.

Only the transport is replaced: a request goes directly to Django, and a message waits in kombu's memory. A crash is an exception
that no code catches, raised at one of `messaging.failpoints`; uncommitted work is lost, as with a kill.
"""

import json
import uuid
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
import urllib3
from django.conf import settings
from django.db import connections, transaction
from django.test import Client
from kombu.exceptions import ChannelError

from messaging import failpoints
from messaging.celery import app
from messaging.consumer import handlers
from messaging.errors import Unreachable
from messaging.publisher import consumers, retention, tokens
from messaging.publisher.relay import Relay
from messaging.replica import client, search, sync
from messaging.replica import connections as authority_connections
from messaging.replica.in_process import AtOnce
from messaging.transport import signing
from messaging.transport.queues import HEARTBEAT, queue
from tests.properties import second
from tests.properties.model import BOUND, Broken
from users.models import User

HOUR = timedelta(hours=1)
#: Tables by alias, in an order in which they can be emptied: the ledger last, because triggers note deletions.
PLUMBING = (
    *("published", "received", "messaging_consumer", "messaging_subscription", "messaging_sequence", "messaging_mark"),
    *("messaging_incident", "messaging_repair", "messaging_parked", "messaging_ledger"),
)
TABLES = {
    "users": ("users_user", "users_cachedinvoice", *PLUMBING),
    "billing": ("billing_invoice", "billing_cacheduser", *PLUMBING),
    second.NAME: (second.Contact._meta.db_table, *PLUMBING),
}
QUEUES = tuple(TABLES)


class Killed(BaseException):
    """Stands for SIGKILL; tests/delivery sends real ones."""


class Poison(Exception):
    """A handler fails."""


class Message(NamedTuple):
    """A message in a queue, with the publisher whose signature it has."""

    task: str
    kwargs: dict[str, Any]
    publishers: Container[str]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [] if self.task == HEARTBEAT else self.kwargs["events"]

    def with_events(self, events: list[dict[str, Any]]) -> "Message":
        return self._replace(kwargs={**self.kwargs, "events": events})


class System:
    """The system as the machine uses it."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.fault: tuple[str, int, type[BaseException]] | None = None
        self.away_after: int | None = None
        self.bootstrapping = ""
        self.numbers = iter(range(0))
        self.relays = {name: Relay(name, app) for name in ("users", "billing")}
        self.channel = app.connection_for_read().channel()
        self.queues = {name: queue(name).bind(self.channel) for name in QUEUES}
        self.beside: Any = None
        self.browser = Client(raise_request_exception=True)
        self.web: ThreadPoolExecutor | None = None

    def reset(self) -> None:
        """Empty everything and end all faults."""
        self.end_beside(committed=False)
        for alias, tables in TABLES.items():
            with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                for table in tables:
                    cursor.execute(f'DELETE FROM "{table}"')
        for name in QUEUES:
            self.channel.queues.pop(name, None)  # `queue_delete` removes only queues that are bound to an exchange
        self.tokens.clear()
        self.fault, self.away_after, self.bootstrapping = None, None, ""
        self.numbers = iter(range(1, 10**6))
        for relay in self.relays.values():
            relay.next_heartbeat = 0.0

    def number(self) -> int:
        """Return an unused number, for addresses and ids, so that a repeated story has the same ones."""
        return next(self.numbers)

    def new_id(self) -> uuid.UUID:
        # Spread like random ones, because fingerprints split ranges of ids.
        return uuid.uuid5(uuid.NAMESPACE_OID, str(self.number()))

    def register(self, consumer: str, authority: str = "users") -> None:
        types, fields = handlers.wanted(consumer, authority) or ([], [])
        consumers.register_consumer(authority=authority, name=consumer, types=types, fields=fields)
        if authority == "users":
            self.tokens[consumer] = tokens.issue_token(authority="users", name=consumer, ttl=HOUR)

    # Faults.

    def reach(self, step: str) -> None:
        if self.fault and self.fault[0] == step:
            _, left, kind = self.fault
            self.fault = (step, left - 1, kind) if left > 1 else None
            if left <= 1:
                raise kind(step)

    def run(
        self,
        work: Callable[[], Any],
        crash: str = "",
        *,
        turn: int = 1,
        kind: type[BaseException] = Killed,
        away: int | None = None,
    ) -> tuple[bool, Any]:
        """Run it, with a crash when a step is reached for the `turn`th time, or with an API that stops answering after so many
        answers. Returns (True if it completed, its result)."""
        self.fault, self.away_after = (crash, turn, kind) if crash else None, away
        try:
            return True, work()
        except Killed:
            return False, None
        except Unreachable:
            if away is None:
                raise
            return False, None
        finally:
            self.fault = self.away_after = None

    # The broker.

    def drain(self, name: str) -> list[Message]:
        """Take all messages out of a queue."""
        if not self.bound(name):
            return []
        found = []
        while (message := self.queues[name].get(no_ack=True)) is not None:
            task = message.headers["task"]
            publishers = signing.check(message.headers, task, message.body)
            found.append(Message(task, json.loads(message.body)[1], publishers))
        return found

    def bound(self, name: str) -> bool:
        """Return True if the queue exists."""
        try:
            self.channel.queue_declare(name, passive=True)
        except ChannelError:
            return False
        return True

    # SQL, read directly.

    def rows(self, alias: str, sql: str) -> list[tuple[Any, ...]]:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def execute(self, alias: str, sql: str, *parameters: Any) -> int:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, [self.spelled(alias, value) for value in parameters])
            return int(cursor.rowcount)

    @property
    def writes_beside(self) -> bool:
        """Return True if the database allows more than one writer at a time."""
        return connections["users"].vendor == "postgresql"

    def begin_beside(self, user: User) -> None:
        """Insert a user on another connection, without a commit."""
        self.beside = connections.create_connection("users")
        self.beside.set_autocommit(False)
        values = {field.column: field.get_db_prep_save(field.pre_save(user, add=True), self.beside) for field in User._meta.fields}
        with self.beside.cursor() as cursor:
            names, marks = ", ".join(f'"{name}"' for name in values), ", ".join(["%s"] * len(values))
            cursor.execute(f"INSERT INTO users_user ({names}) VALUES ({marks})", list(values.values()))

    def end_beside(self, committed: bool) -> None:
        if self.beside is not None:
            self.beside.commit() if committed else self.beside.rollback()
            self.beside.close()
            self.beside = None

    @staticmethod
    def spelled(alias: str, value: Any) -> Any:
        return value.hex if isinstance(value, uuid.UUID) and connections[alias].vendor == "sqlite" else value

    # The API.

    def answer(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        if self.away_after is not None:
            self.away_after -= 1
            if self.away_after < 0:
                raise urllib3.exceptions.HTTPError("away")
        if self.bootstrapping and "/changes/" in url and not self.bound(self.bootstrapping):
            raise Broken(BOUND, f"{self.bootstrapping} reads {url}")
        parts = urlsplit(url)
        path, kind = f"{parts.path}?{parts.query}" if parts.query else parts.path, "application/json" if body else ""
        ask = partial(self.browser.generic, method, path, body or b"", content_type=kind, headers=headers)
        return self.web.submit(ask).result() if self.web else ask()

    @contextmanager
    def answering_apart(self) -> Iterator[None]:
        """Run the API apart from the caller's stack, so that a context's own code doesn't seem to use another context's
        database."""
        with ThreadPoolExecutor(1) as self.web:
            try:
                yield
            finally:
                self.web.submit(connections.close_all).result()
        self.web = None


class Pool:
    """Replaces urllib3's pool in `messaging.replica.connections`, with Django at the other end instead of a socket."""

    system: System

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers

    def request(
        self, method: str, url: str, *, body: bytes | None, fields: Mapping[str, Any] | None, headers: Any, **options: Any
    ) -> Any:
        given = f"{url}?{urlencode(fields)}" if fields else url
        response = self.system.answer(method, given, body, headers or self.headers)
        return SimpleNamespace(
            status=response.status_code,
            headers=response.headers,
            stream=lambda size, decode_content: iter([response.content]),
            release_conn=lambda: None,
        )

    def clear(self) -> None:
        pass


@contextmanager
def running() -> Iterator[System]:
    """Run the system with all that a fast and repeatable run needs."""
    system = System()
    with pytest.MonkeyPatch.context() as patch, second.table():
        patch.setattr(Pool, "system", system, raising=False)
        patch.setattr(authority_connections, "pool", Pool)
        patch.setattr(client, "ThreadPoolExecutor", lambda workers: AtOnce())  # so that a repeated story takes the same course
        patch.setattr(failpoints, "listeners", [system.reach])
        patch.setattr(search, "SETTLE_SECONDS", 0.0)
        patch.setattr(retention, "BATCH_ROWS", 3)
        patch.setattr(sync, "GRACE_SECONDS", 0.0)
        key = User._meta.pk
        patch.setattr(key, "default", system.new_id)
        patch.setitem(vars(key), "_get_default", system.new_id)
        patch.setattr(settings, "MESSAGING", _messaging(system))
        handlers.table.cache_clear()
        try:
            yield system
        finally:
            handlers.table.cache_clear()
            for relay in system.relays.values():
                relay.sender.close()
            system.reset()
            system.channel.connection.client.release()


def _messaging(system: System) -> dict[str, Any]:
    ours: dict[str, Any] = settings.MESSAGING
    return {
        **ours,
        "HANDLERS": {second.NAME: "tests.properties.second.HANDLERS"},
        "CACHES": {second.NAME: "tests.properties.second.CACHES"},
        "API_RATE": 0.0,
        "API_URL": lambda authority: "http://127.0.0.1",
        "API_TOKEN": lambda consumer, authority: system.tokens.get(consumer, ""),
    }
