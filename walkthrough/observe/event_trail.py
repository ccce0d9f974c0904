"""The last events of both contexts, each with its path: recorded, sent, received."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from messaging.database.outbox_pattern import FAILED, FORMER, SENT
from messaging.models import Consumer, Parked
from messaging.publisher import outbox
from users.selectors import users_by_id
from walkthrough.observe.side_by_side import EVENTS, age

WORDS = {
    "users.user.created.v1": "User registered",
    "users.user.suspended.v1": "User suspended",
    "users.user.reactivated.v1": "User reactivated",
    "users.user.email_changed.v1": "E-mail address changed",
    "users.user.erased.v1": "User erased",
    "billing.invoice.issued.v1": "Invoice issued",
    "billing.invoice.overdue.v1": "Invoice overdue",
    "billing.invoice.flagged.v1": "Invoice flagged for review",
}
CONTEXTS = ("users", "billing")


@dataclass(frozen=True)
class Step:
    """One station of the path: what happened there. `state`: `done`, `open` (still to come) or `bad` (it failed)."""

    words: str
    state: str


@dataclass(frozen=True)
class Event:
    """A recorded event. `steps`: recorded, sent, then one for each consumer of its type."""

    id: str
    context: str
    words: str
    about: str
    version: int | None
    age: str
    cause: str
    steps: list[Step]


def events() -> list[Event]:
    """The last events, newest first. At most nine queries."""
    recorded = [(name, row) for name in CONTEXTS for row in outbox.rows(name, name).order_by("-added")[:EVENTS]]
    recorded = sorted(recorded, key=lambda pair: pair[1].added, reverse=True)[:EVENTS]
    readers = {name: list(Consumer.objects.using(name)) for name in CONTEXTS}
    arrived = {name: _arrived(name, [str(row.pk) for _, row in recorded]) for name in CONTEXTS}
    kept = {name: _kept(name, [str(row.pk) for _, row in recorded]) for name in CONTEXTS}
    causes = _causes(str(_of(row, "causationid")) for _, row in recorded)
    names = _names(recorded)
    now = timezone.now()
    return [
        Event(
            id=str(row.pk),
            context=context,
            words=words(row.destination),
            about=names.get(_about(row), _about(row)[:8]),
            version=_of(row, "aggregateversion") or None,
            age=age(row.added, now),
            cause=causes.get(str(_of(row, "causationid")), "an earlier event" if _of(row, "causationid") else ""),
            steps=[Step("recorded", "done"), *_way(row, readers[context], arrived, kept)],
        )
        for context, row in recorded
    ]


def words(wire: str) -> str:
    """An event type in plain words."""
    parts = wire.split(".")
    return WORDS.get(wire) or " ".join(parts[1:3] if len(parts) > 3 else parts).replace("_", " ").capitalize()


def _way(
    row: Published,
    readers: Iterable[Consumer],
    arrived: Mapping[str, Mapping[str, datetime]],
    kept: Mapping[str, Mapping[str, str]],
) -> Iterable[Step]:
    status = FORMER.get(row.status, row.status)
    if status == FAILED:
        yield Step(f"can't be sent: {row.headers.get('error', 'no reason was kept')}", "bad")
        return
    sent = status == SENT
    takers = [reader for reader in readers if row.destination in reader.types]
    if not takers:
        yield Step("no consumer", "done") if sent else Step("waiting", "open")
        return
    yield Step("sent", "done") if sent else Step("waiting to be sent", "open")
    for reader in takers:
        moment = arrived.get(reader.name, {}).get(f"{reader.name}:{row.pk}")
        problem = kept.get(reader.name, {}).get(str(row.pk))
        if problem:
            yield Step(f"{problem} at {reader.name}", "bad")
        elif moment:
            yield Step(f"received by {reader.name} after {_span(row.added, moment)}", "done")
        else:
            yield Step(f"not yet at {reader.name}", "open")


def _span(start: datetime, end: datetime) -> str:
    milliseconds = max(0, round((end - start).total_seconds() * 1000))
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _arrived(consumer: str, ids: Iterable[str]) -> dict[str, datetime]:
    keys = [f"{consumer}:{event_id}" for event_id in ids]
    return dict(Received.objects.using(consumer).filter(msg_id__in=keys).values_list("msg_id", "added"))


def _kept(consumer: str, ids: Iterable[str]) -> dict[str, str]:
    found = Parked.objects.using(consumer).filter(event_id__in=list(ids))
    unsettled = found.filter(state__in=[Parked.State.RETRYING, Parked.State.PARKED])
    found_words = {Parked.State.RETRYING.value: "retrying", Parked.State.PARKED.value: "parked"}
    return {event_id: found_words[state] for event_id, state in unsettled.values_list("event_id", "state")}


def _causes(ids: Iterable[str]) -> dict[str, str]:
    """Event id to its type in words, for the events that caused others, from both outboxes."""
    wanted = [event_id for event_id in map(_uuid, ids) if event_id]
    if not wanted:
        return {}
    found: dict[str, str] = {}
    for name in CONTEXTS:
        rows = Published.objects.using(name).filter(pk__in=wanted).values_list("pk", "destination")
        found |= {str(pk): words(destination) for pk, destination in rows}
    return found


def _names(recorded: Iterable[tuple[str, Published]]) -> dict[str, str]:
    """The users' names. Only the authority has them, so events of erased users have no name here."""
    wanted = [user_id for user_id in {_uuid(_about(row)) for _, row in recorded} if user_id]
    return {str(user_id): user.name for user_id, user in users_by_id(ids=wanted).items() if user.name}


def _about(row: Published) -> str:
    """The id of the user that an event is about; an invoice's event has it in its data."""
    data = _of(row, "data")
    return str((data.get("user_id") if isinstance(data, dict) else "") or _of(row, "subject"))


def _of(row: Published, name: str) -> Any:
    return row.body.get(name, "") if isinstance(row.body, dict) else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
