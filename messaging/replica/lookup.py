"""Look up single aggregates at the authority: on a miss in the copy, and before a decision for which the copy is too old.

Answers go into the copy by the same conditional upsert as events and pages, so an answer that an event overtook changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from pydantic import ValidationError as InvalidId

from messaging.consumer.cache import Cache
from messaging.database.upsert import insert_new
from messaging.errors import Denied, Unreachable
from messaging.models import Unknown
from messaging.replica import changes, drift, pull
from messaging.replica.answers import ID_RULES, readers
from messaging.replica.client import AuthorityClient
from messaging.replica.replica import Replica

#: Ids that the API takes in one request.
MOST_IDS = 1000
#: After so many failed requests in a row a run sends no more.
UNANSWERED = 3
#: The age at which a negative answer is deleted, and how many answers are checked for it at a time.
FORGOTTEN, AT_A_TIME = timedelta(days=1), 100


class Refreshed(NamedTuple):
    """The result of `refresh`."""

    #: Rows of the copy that changed.
    applied: int
    #: Ids that the authority doesn't know.
    unknown: frozenset[str]
    #: Ids whose rows still differ; only checked if the copy is doubtful.
    other: frozenset[str]


def find(
    consumer: str,
    authority: str,
    aggregate_id: Any,
    *,
    client: AuthorityClient | None = None,
    max_negative_age: timedelta = timedelta(minutes=1),
) -> models.Model | None:
    """Return the copy's row of an aggregate. If there is none, look it up at the authority and keep the answer.

    Call it outside a transaction, which would stay open until the authority answers.

    Parameters
    ----------
    max_negative_age
        How long the answer "unknown" counts without a new request.

    Returns
    -------
    Model | None
        None if the authority doesn't know the aggregate.

    Raises
    ------
    Unreachable, Denied
        The authority doesn't answer or refuses, so nothing is known.
    NoCache
        The consumer keeps no copy of this authority.
    ValueError
        The id isn't valid.
    """
    replica = Replica.of(consumer, authority, client=client)
    key = _key(replica.cache, aggregate_id)
    row = _row(replica, key)
    if row is not None or _asked_lately(replica, str(key), max_negative_age):
        return row
    with replica.connected() as asking:
        record = asking.record(str(key))
        if record is not None and _beyond(replica, record["position"]):
            pull.note_head_mark(replica)
    if record is None:
        _remember(replica, str(key))
    else:
        _apply(replica, [record])
        _answers(replica, str(key)).delete()
    return _row(replica, key)  # an event may have brought it during the request


def refresh(replica: Replica, ids: Sequence[Any]) -> Refreshed:
    """Request the current state of these aggregates, 1,000 per request, and apply what is newer than the copy's rows.

    Rows that the authority doesn't know stay unchanged. Raises `Unreachable`, `Denied`; answers that came before stay applied.
    """
    doubtful, other = bool(replica.subscription().doubt), set[str]()
    wanted = [str(_key(replica.cache, value)) for value in ids]
    applied, known = 0, set()
    with replica.connected() as client:
        for start in range(0, len(wanted), MOST_IDS):
            records = client.records(wanted[start : start + MOST_IDS])
            applied += _apply(replica, records)
            known |= {record["id"] for record in records}
            if doubtful:  # then a newer row may be from a history that the authority lost
                other |= _differing(replica, records)
    return Refreshed(applied, frozenset(wanted) - known, frozenset(other))


@dataclass
class BatchLookup:
    """Lookups of a long run, batch by batch, right before it decides on each batch; and how they went."""

    consumer: str
    authority: str
    #: Ids that were looked up.
    asked: int = 0
    #: Ids that the authority doesn't know.
    unknown: int = 0
    #: The last error, as a sentence; empty if there was none.
    problem: str = ""
    _in_vain: int = 0
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def __post_init__(self) -> None:
        self._replica = Replica.of(self.consumer, self.authority)
        self._open.enter_context(self._replica.connected())

    def unanswered(self, ids: Collection[Any]) -> set[Any]:
        """Refresh these ids. Returns those on which the caller must not decide: unanswered, unknown, or still different.

        Call it outside a transaction. After three failed requests in a row, no more are sent and all ids count as unanswered.
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
        """Report the lookups in sentences; empty if there were none."""
        return [
            *([f"Looked up: {self.asked}."] if self.asked else []),
            *([f"Not known to {self.authority}: {self.unknown}."] if self.unknown else []),
            *([self.problem] if self.problem else []),
        ]

    def close(self) -> None:
        """Close the connection, after noting the head's mark: answers carry none, so a set-back authority would go unnoticed."""
        with self._open:
            if self.asked:
                with suppress(Unreachable, Denied):
                    pull.note_head_mark(self._replica)


def _apply(replica: Replica, records: Sequence[Mapping[str, Any]]) -> int:
    read = changes.read_records(replica.authority, replica.cache, records)
    events = changes.events(replica.subscription(), read)
    if not events:
        return 0
    with changes.applying(replica.authority), transaction.atomic(using=replica.alias):
        return len(replica.cache.apply(events, "lookup").applied)


def _beyond(replica: Replica, position: int | None) -> bool:
    """Return True if a record's position is above the checkpoint: no mark of the copy could then show that it was lost."""
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
    """Convert a value to the copy's key. It becomes part of a URL, so anything else raises `ValueError`."""
    try:
        key = cache.model._meta.pk.to_python(value)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from None
    if key is None:
        raise ValueError("None is not an id.")
    try:
        readers(cache.key_kind).id.validate_python(str(key))
    except InvalidId:
        raise ValueError(f"This can't be an id, which is {ID_RULES[cache.key_kind]}.") from None
    return key


def _row(replica: Replica, key: Any) -> models.Model | None:
    rows = replica.cache.model._base_manager.using(replica.alias)
    found: models.Model | None = rows.filter(**{replica.cache.key: key}).first()
    return found


def _answers(replica: Replica, aggregate_id: str) -> "models.QuerySet[Unknown]":
    return Unknown.objects.of(replica.alias).filter(authority=replica.authority, aggregate_id=aggregate_id)


def _asked_lately(replica: Replica, aggregate_id: str, within: timedelta) -> bool:
    asked_at: datetime | None = _answers(replica, aggregate_id).values_list("asked_at", flat=True).first()
    return asked_at is not None and timezone.now() - asked_at < within


def _remember(replica: Replica, aggregate_id: str) -> None:
    """Note a negative answer. An earlier one is replaced, so the oldest answers have the lowest keys and need no search."""
    now = timezone.now()
    _answers(replica, aggregate_id).delete()
    rows = Unknown.objects.of(replica.alias)
    oldest = rows.order_by("pk").values_list("pk", "asked_at")[:AT_A_TIME]
    rows.filter(pk__in=[pk for pk, asked_at in oldest if now - asked_at > FORGOTTEN]).delete()
    answer = {"context": replica.consumer, "authority": replica.authority, "aggregate_id": aggregate_id, "asked_at": now}
    insert_new(Unknown, [answer], key="id", unique=("context", "authority", "aggregate_id"), using=replica.alias)
