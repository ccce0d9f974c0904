"""Asking the authority about single aggregates: on a miss in the cache, and before a decision that the cache is too old for.

What it answers goes into the cache by the same conditional upsert as events and pages, so an answer that was overtaken on its way
changes nothing.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from messaging.consumer.cache import Cache
from messaging.database.upsert import insert_new
from messaging.errors import Denied, Unreachable
from messaging.models import Unknown
from messaging.replica import changes, drift, pull
from messaging.replica.client import AuthorityClient

#: Ids that the API takes in one question.
MOST_IDS = 1000
#: Questions in a row that an authority may leave unanswered; then a run doesn't ask any more.
UNANSWERED = 3
#: A negative answer so old is forgotten, a few at a time.
FORGOTTEN, AT_A_TIME = timedelta(days=1), 100


class Refreshed(NamedTuple):
    """`applied`: rows of the cache that moved. `unknown`: ids that the authority doesn't know. `other`: ids of which the cache has
    something else all the same; only looked for where the copy is in doubt."""

    applied: int
    unknown: frozenset[str]
    other: frozenset[str]


def find(
    consumer: str,
    authority: str,
    aggregate_id: Any,
    *,
    client: AuthorityClient | None = None,
    max_negative_age: timedelta = timedelta(minutes=1),
) -> models.Model | None:
    """The cache's row of an aggregate; where it has none, the authority is asked and its answer kept. None: it doesn't know it.

    A "don't know" is not asked again for `max_negative_age`, unless an event or a page brings the row. Not knowing and not
    answering differ: raises `Unreachable` and `Denied` (`client`); `NoCache`; `ValueError` for what can't be an id.
    Call it outside a transaction, which would be held for as long as the authority takes.
    """
    cache = pull.cache_of(consumer, authority)
    key = _key(cache, aggregate_id)
    row = _row(consumer, cache, key)
    if row is not None or _asked_lately(consumer, authority, str(key), max_negative_age):
        return row
    asking = client or AuthorityClient(authority, consumer)
    try:
        record = asking.record(str(key))
        if record is not None and _beyond(consumer, authority, record["position"]):
            pull.vouch(consumer, authority, asking)
    finally:
        if client is None:
            asking.close()
    if record is None:
        _remember(consumer, authority, str(key))
    else:
        _apply(consumer, authority, cache, [record])
        _answers(consumer, authority, str(key)).delete()
    return _row(consumer, cache, key)  # also where an event brought it while the authority was asked


def refresh(consumer: str, authority: str, ids: Sequence[Any], *, client: AuthorityClient) -> Refreshed:
    """Ask for the present state of these aggregates, 1,000 in one question, and apply what is newer than the cache's.

    Rows that the authority doesn't know stay as they are, and so do those that are newer: an event may have overtaken the answer.
    Raises `Unreachable`, `Denied`, `NoCache`; earlier answers stay.
    """
    cache, doubtful = pull.cache_of(consumer, authority), bool(pull.subscribed(consumer, authority).doubt)
    other: set[str] = set()
    wanted = [str(_key(cache, value)) for value in ids]
    applied, known = 0, set()
    for start in range(0, len(wanted), MOST_IDS):
        records = client.records(wanted[start : start + MOST_IDS])
        applied += _apply(consumer, authority, cache, records)
        known |= {record["id"] for record in records}
        if doubtful:  # then what is newer may be of a history that is gone
            other |= _differing(consumer, cache, records)
    return Refreshed(applied, frozenset(wanted) - known, frozenset(other))


@dataclass
class BatchLookup:
    """A long run that asks about its aggregates, batch by batch, right before it decides on them; and how that went."""

    consumer: str
    authority: str
    asked: int = 0
    unknown: int = 0
    problem: str = ""
    _in_vain: int = 0
    _client: AuthorityClient = field(init=False)

    def __post_init__(self) -> None:
        self._client = AuthorityClient(self.authority, self.consumer)

    def unanswered(self, ids: Collection[Any]) -> set[Any]:
        """Refresh these; returns those of them that must not be decided on, for the authority didn't answer or doesn't know them.

        Call it outside a transaction. An authority that left three questions in a row unanswered isn't asked again.
        """
        if not ids or self._in_vain >= UNANSWERED:
            return set(ids)
        try:
            found = refresh(self.consumer, self.authority, list(ids), client=self._client)
        except (Unreachable, Denied) as error:
            self._in_vain, self.problem = self._in_vain + 1, str(error).rstrip(".") + "."
            return set(ids)
        self._in_vain = 0
        self.asked, self.unknown = self.asked + len(ids), self.unknown + len(found.unknown)
        return {value for value in ids if str(value) in found.unknown | found.other}

    def told(self) -> list[str]:
        """What a person should know of it, in sentences; none where nothing was asked."""
        return [
            *([f"Looked up: {self.asked}."] if self.asked else []),
            *([f"Not known to {self.authority}: {self.unknown}."] if self.unknown else []),
            *([self.problem] if self.problem else []),
        ]

    def close(self) -> None:
        """One contact more, so that an authority that is set back to before its answers is noticed: they carry no marks."""
        if self.asked:
            with suppress(Unreachable, Denied):
                pull.vouch(self.consumer, self.authority, self._client)
        self._client.close()


def _apply(consumer: str, authority: str, cache: Cache, records: Sequence[Mapping[str, Any]]) -> int:
    events = changes.events(authority, changes.read_records(authority, cache, records), str(uuid.uuid4()))
    if not events:
        return 0
    with changes.applying(authority), transaction.atomic(using=consumer):
        return len(cache.apply(events, "lookup").applied)


def _beyond(consumer: str, authority: str, position: int | None) -> bool:
    """Whether the copy has nothing of the round that gave out a record's position. Then no mark of the copy's would show
    that the authority was set back to before the record."""
    return position is None or position > pull.subscribed(consumer, authority).checkpoint


def _differing(consumer: str, cache: Cache, records: Sequence[Mapping[str, Any]]) -> set[str]:
    own = drift.own_rows(consumer, cache, [record["id"] for record in records])
    return {
        key
        for key, wanted in ((record["id"], drift.values_of(cache, record)) for record in records)
        if drift.state_of(cache, key, own.get(key)) != drift.state_of(cache, key, wanted)
    }


def _key(cache: Cache, value: Any) -> Any:
    """The value as the cache's key: it becomes part of a URL, so nothing else may pass."""
    try:
        key = cache.model._meta.pk.to_python(value)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from None
    if key is None:
        raise ValueError("None is not an id.")
    return key


def _row(consumer: str, cache: Cache, key: Any) -> models.Model | None:
    found: models.Model | None = cache.model._base_manager.using(consumer).filter(**{cache.key: key}).first()
    return found


def _answers(consumer: str, authority: str, aggregate_id: str) -> "models.QuerySet[Unknown]":
    return Unknown.objects.using(consumer).filter(authority=authority, aggregate_id=aggregate_id)


def _asked_lately(consumer: str, authority: str, aggregate_id: str, within: timedelta) -> bool:
    asked_at: datetime | None = _answers(consumer, authority, aggregate_id).values_list("asked_at", flat=True).first()
    return asked_at is not None and timezone.now() - asked_at < within


def _remember(consumer: str, authority: str, aggregate_id: str) -> None:
    """Note a negative answer. It is written anew, so the oldest answers have the lowest keys and are found without a search."""
    now = timezone.now()
    _answers(consumer, authority, aggregate_id).delete()
    rows = Unknown.objects.using(consumer)
    oldest = rows.order_by("pk").values_list("pk", "asked_at")[:AT_A_TIME]
    rows.filter(pk__in=[pk for pk, asked_at in oldest if now - asked_at > FORGOTTEN]).delete()
    answer = {"authority": authority, "aggregate_id": aggregate_id, "asked_at": now}
    insert_new(Unknown, [answer], key="id", unique=("authority", "aggregate_id"), using=consumer)
