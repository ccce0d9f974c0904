"""An authority and a copy of things, with any kind of key: their tables are made for a test, and every part between is real but the
socket."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.apps.registry import Apps
from django.db import connections, models
from django.test import RequestFactory
from pydantic import BaseModel

from messaging.authority import service
from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.database.keys import kind_of_key
from messaging.database.tracked import Tracked
from messaging.http import views
from messaging.ledger import ledger
from messaging.publisher import DomainEvent, Feed
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica
from messaging.settings import Alias, Context
from tests.messaging.http.conftest import registered

AUTHORITY, COPY = Alias("users"), Alias("billing")
KEYS: dict[str, Callable[[], "models.Field[Any, Any]"]] = {
    "integer": lambda: models.IntegerField(primary_key=True),
    "bigint": lambda: models.BigIntegerField(primary_key=True),
    "uuid": lambda: models.UUIDField(primary_key=True),
    "text": lambda: models.CharField(max_length=100, primary_key=True),
}


class Facts(DomainEvent):
    name: str


class Reads(BaseModel):
    name: str


@dataclass
class Things:
    """The two tables."""

    thing: Any
    copied: Any
    feed: Feed
    cache: Cache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = Cache(model=self.copied, key="id", fields=("name",), reads=Reads, apply=self.apply)

    def apply(self, events: Sequence[Event], source: str) -> Upserted:
        rows = [{"id": event.subject, "name": event.data.name, "version": event.version} for event in events]
        return upsert_newer(self.copied, rows, using=COPY)

    def replica(self) -> Replica:
        """The copy, connected to the authority's views without a server."""
        return Replica(Context("billing", COPY), "users", self.cache, InProcess(self))


@contextmanager
def things(kind: str, copied_as: str | None = None) -> Iterator[Things]:
    """Make both tables. The keys of the copy may be of another kind than the authority's."""

    class Thing(models.Model):
        id = KEYS[kind]()
        name = models.CharField(max_length=20)

        class Meta:
            apps = Apps()
            app_label = "users"
            db_table = "things_thing"

    class Copied(models.Model):
        id = KEYS[copied_as or kind]()
        name = models.CharField(max_length=20)
        version = models.BigIntegerField()

        class Meta:
            apps = Apps()
            app_label = "billing"
            db_table = "things_copied"

    feed = Feed(model=Thing, facts=Facts, gone={}, announces=lambda facts, first: Facts, keeps_gone=False)
    tracked = Tracked(Thing, None)
    made = {AUTHORITY: Thing, COPY: Copied}
    try:
        for alias, model in made.items():
            with connections[alias].schema_editor() as editor:
                editor.create_model(model)
        with (
            mock.patch.dict(ledger.TRACKED, {"users.thing": tracked}),
            mock.patch.object(service, "declared_feed", return_value=feed),
        ):
            ledger.install(AUTHORITY, tracked)
            yield Things(Thing, Copied, feed)
    finally:
        for alias, model in made.items():
            with connections[alias].cursor() as cursor:
                cursor.execute(f'DROP TABLE IF EXISTS "{model._meta.db_table}"')


class InProcess(AuthorityClient):
    """A client that calls the authority's views instead of a server."""

    def __init__(self, made: Things) -> None:
        super().__init__("users", "billing", kind=made.cache.key_kind)
        self.token = registered("billing", fields=["name"])
        plain = kind_of_key(made.feed.tracked.key) != "uuid"
        self.views: dict[str, Any] = {
            "fingerprints/": (views.PlainFingerprintsView if plain else views.FingerprintsView).as_view(authority="users"),
            "changes/": views.ChangesView.as_view(authority="users"),
        }

    def _answer(self, method: str, path: str, asked: Any, wait: int) -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if method == "POST":
            body = json.dumps(asked, ensure_ascii=False).encode()
            request = RequestFactory().post("/", body, content_type="application/json", headers=headers)
        else:
            request = RequestFactory().get("/", asked, headers=headers)
        self.round_trips += 1
        answer = self.views[path](request)
        answer.render()
        return answer.status_code, answer.headers, answer.content
