"""Asking the authority about single aggregates: on a miss in the cache, and before a decision that the cache is too old for.

What it answers goes into the cache by the same conditional upsert as events and pages, so an answer that was overtaken on its way
changes nothing.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
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
from messaging.replica.replica import Replica

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
    replica = Replica.of(consumer, authority, client=client)
    key = _key(replica.cache, aggregate_id)
    row = _row(replica, key)
    if row is not None or _asked_lately(replica, str(key), max_negative_age):
        return row
    with replica.connected() as asking:
        record = asking.record(str(key))
        if record is not None and _beyond(replica, record["position"]):
            pull.vouch(replica)
    if record is None:
        _remember(replica, str(key))
    else:
        _apply(replica, [record])
        _answers(replica, str(key)).delete()
    return _row(replica, key)  # also where an event brought it while the authority was asked


def refresh(replica: Replica, ids: Sequence[Any]) -> Refreshed:
    """Ask for the present state of these aggregates, 1,000 in one question, and apply what is newer than the cache's.

    Rows that the authority doesn't know stay as they are, and so do those that are newer: an event may have overtaken the answer.
    Raises `Unreachable`, `Denied`; earlier answers stay.
    """
    doubtful, other = bool(replica.subscription().doubt), set[str]()
    wanted = [str(_key(replica.cache, value)) for value in ids]
    applied, known = 0, set()
    with replica.connected() as client:
        for start in range(0, len(wanted), MOST_IDS):
            records = client.records(wanted[start : start + MOST_IDS])
            applied += _apply(replica, records)
            known |= {record["id"] for record in records}
            if doubtful:  # then what is newer may be of a history that is gone
                other |= _differing(replica, records)
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
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def __post_init__(self) -> None:
        self._replica = Replica.of(self.consumer, self.authority)
        self._open.enter_context(self._replica.connected())

    def unanswered(self, ids: Collection[Any]) -> set[Any]:
        """Refresh these; returns those of them that must not be decided on, for the authority didn't answer or doesn't know them.

        Call it outside a transaction. An authority that left three questions in a row unanswered isn't asked again.
        """
        if not ids or self._in_vain >= UNANSWERED:
            return set(ids)
        try:
            found = refresh(self._replica, list(ids))
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
        with self._open:
            if self.asked:
                with suppress(Unreachable, Denied):
                    pull.vouch(self._replica)


def _apply(replica: Replica, records: Sequence[Mapping[str, Any]]) -> int:
    told = changes.read_records(replica.authority, replica.cache, records)
    events = changes.events(replica.authority, told, str(uuid.uuid4()))
    if not events:
        return 0
    with changes.applying(replica.authority), transaction.atomic(using=replica.alias):
        return len(replica.cache.apply(events, "lookup").applied)


def _beyond(replica: Replica, position: int | None) -> bool:
    """Whether the copy has nothing of the round that gave out a record's position. Then no mark of the copy's would show
    that the authority was set back to before the record."""
    return position is None or position > replica.subscription().checkpoint


def _differing(replica: Replica, records: Sequence[Mapping[str, Any]]) -> set[str]:
    cache = replica.cache
    own = drift.own_rows(replica.alias, cache, [record["id"] for record in records])
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


def _row(replica: Replica, key: Any) -> models.Model | None:
    rows = replica.cache.model._base_manager.using(replica.alias)
    found: models.Model | None = rows.filter(**{replica.cache.key: key}).first()
    return found


def _answers(replica: Replica, aggregate_id: str) -> "models.QuerySet[Unknown]":
    return Unknown.objects.using(replica.alias).filter(authority=replica.authority, aggregate_id=aggregate_id)


def _asked_lately(replica: Replica, aggregate_id: str, within: timedelta) -> bool:
    asked_at: datetime | None = _answers(replica, aggregate_id).values_list("asked_at", flat=True).first()
    return asked_at is not None and timezone.now() - asked_at < within


def _remember(replica: Replica, aggregate_id: str) -> None:
    """Note a negative answer. It is written anew, so the oldest answers have the lowest keys and are found without a search."""
    now = timezone.now()
    _answers(replica, aggregate_id).delete()
    rows = Unknown.objects.using(replica.alias)
    oldest = rows.order_by("pk").values_list("pk", "asked_at")[:AT_A_TIME]
    rows.filter(pk__in=[pk for pk, asked_at in oldest if now - asked_at > FORGOTTEN]).delete()
    answer = {"authority": replica.authority, "aggregate_id": aggregate_id, "asked_at": now}
    insert_new(Unknown, [answer], key="id", unique=("authority", "aggregate_id"), using=replica.alias)
