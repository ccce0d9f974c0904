"""An authority and a copy of things, with any kind of key: their tables are made for a test, and every part between is real but the
socket."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.apps.registry import Apps
from django.db import connections, models
from django.test import RequestFactory
from django.utils import timezone
from pydantic import BaseModel

from messaging.authority import service
from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.database.keys import kind_of_key
from messaging.database.tracked import Tombstone, Tracked
from messaging.http import views
from messaging.ledger import ledger
from messaging.models import Ledger
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
def things(kind: str, copied_as: str | None = None, *, keeps_gone: bool = False, tombstone: Tombstone = None) -> Iterator[Things]:
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

    gone = {"name": "gone"} if keeps_gone else {}
    feed = Feed(model=Thing, facts=Facts, gone=gone, announces=lambda facts, first: Facts, keeps_gone=keeps_gone)
    tracked = Tracked(Thing, tombstone)
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


def put(made: Things, rows: dict[Any, str], copied: dict[Any, tuple[int, str]]) -> None:
    """Replace all rows, versions too, on both sides."""
    for alias, model in ((AUTHORITY, made.thing), (COPY, made.copied)):
        with connections[alias].cursor() as cursor:
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
    Ledger.objects.using(AUTHORITY).all().delete()
    made.thing._base_manager.using(AUTHORITY).bulk_create(made.thing(id=key, name=name) for key, name in rows.items())
    made.copied._base_manager.using(COPY).bulk_create(
        made.copied(id=str(key), name=name, version=version) for key, (version, name) in copied.items()
    )


def entries(made: Things, states: dict[Any, tuple[str, str]]) -> None:
    """Replace the authority's rows and its ledger. `states`: each id's row ("none", "alive" or "tombstone", whose name is "erased")
    and entry ("none", "alive", "deleted" or "erased"), in any combination."""
    names = {"alive": "a", "tombstone": "erased"}
    put(made, {key: names[row] for key, (row, _) in states.items() if row != "none"}, {})
    Ledger.objects.using(AUTHORITY).all().delete()
    Ledger.objects.using(AUTHORITY).bulk_create(
        Ledger(
            aggregate="users.thing",
            aggregate_id=str(key),
            version=1,
            deleted=entry != "alive",
            erased=entry == "erased",
            changed_at=timezone.now(),
        )
        for key, (_, entry) in states.items()
        if entry != "none"
    )


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

    def ahead(self) -> ThreadPoolExecutor:
        return OwnConnections(1)

    def _answer(self, method: str, path: str, asked: Any, wait: int) -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if method == "POST":
            body = json.dumps(asked, separators=(",", ":"), ensure_ascii=False).encode()
            request = RequestFactory().post("/", body, content_type="application/json", headers=headers)
        else:
            request = RequestFactory().get("/", asked, headers=headers)
        self.round_trips += 1
        answer = self.views[path](request)
        answer.render()
        return answer.status_code, answer.headers, answer.content


class OwnConnections(ThreadPoolExecutor):
    """Closes the database connections that the work opened in its thread. A server does it at the end of a request."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> "Future[Any]":
        def closing() -> Any:
            try:
                return work(*arguments, **options)
            finally:
                connections.close_all()

        return super().submit(closing)
