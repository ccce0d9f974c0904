"""What became of each event: applied, duplicate, obsolete, parked or lost. The tables say it; nothing is remembered here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.text import Truncator
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser
from billing.selectors import cached_users_by_id
from messaging.database.outbox_pattern import SENT
from messaging.models import Consumer, Parked, Subscription
from users.selectors import users_by_id
from walkthrough.flow.outbox import state_of
from walkthrough.flow.programs import Queue
from walkthrough.observe.event_trail import words
from walkthrough.observe.side_by_side import MOST_COUNTED

OUTCOMES = ("applied", "duplicate", "obsolete", "parked", "lost")
#: Inbox rows that are drawn.
DOTS = 14
#: For so long an event may still be on its way though later ones arrived. The lab delays messages by up to six seconds.
GRACE = timedelta(seconds=7)
#: The longest name in a sentence.
LONGEST_NAME = 40
UNSETTLED = (Parked.State.PARKED, Parked.State.RETRYING)


@dataclass(frozen=True)
class Counts:
    """Events by outcome. `lost` counts those among the newest events; each other one all of them."""

    applied: int
    duplicate: int
    obsolete: int
    parked: int
    lost: int

    @property
    def received(self) -> int:
        return self.applied + self.duplicate + self.obsolete


@dataclass(frozen=True)
class Arrived:
    """An inbox row. A duplicate has none."""

    key: str
    outcome: str


@dataclass(frozen=True)
class Last:
    """The newest event. `outcome`: one of `OUTCOMES`, "waiting" or "sent"."""

    words: str
    about: str
    version: int | None
    outcome: str
    seconds: float


def counts(row: Subscription, lost: int) -> Counts:
    """The totals: billing's own counters, and the messages that wait for a person or a retry."""
    parked = Parked.objects.using("billing").filter(state__in=UNSETTLED)[: MOST_COUNTED + 1].count()
    return Counts(row.applied, row.duplicate, row.obsolete, parked, lost)


def received() -> list[Arrived]:
    """Billing's newest inbox rows, the oldest first. Three queries.

    An event that was applied left its time in the copy's row. If the row is older than the inbox's, the event changed nothing.
    """
    rows = list(Received.objects.using("billing").filter(msg_id__startswith="billing:").order_by("-added")[:DOTS])
    ids = [str(row.msg_id).partition(":")[2] for row in rows]
    waiting = Parked.objects.using("billing").filter(event_id__in=ids, state__in=UNSETTLED)
    parked = set(waiting.values_list("event_id", flat=True))
    copies = _copies(rows)
    return [Arrived(key, _outcome(row, key in parked, copies)) for key, row in zip(ids, rows, strict=True)][::-1]


def _outcome(row: Received, parked: bool, copies: dict[str, CachedUser]) -> str:
    subject = _subject(row)
    if parked or not subject:
        return "parked"
    copy = copies.get(subject)
    return "obsolete" if copy and copy.received_at < row.added else "applied"


def _copies(rows: Sequence[Received]) -> dict[str, CachedUser]:
    """The copies of the users that these rows are about."""
    return {str(key): copy for key, copy in cached_users_by_id(ids=filter(None, map(as_uuid, map(_subject, rows)))).items()}


def _subject(row: Received) -> str:
    return str((row.headers or {}).get("subject") or "")


def as_uuid(text: str) -> UUID | None:
    """The id in a text that came from outside; None if it isn't one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def lost(recorded: Sequence[Published], row: Subscription, queue: Queue, now: datetime) -> list[str]:
    """The ids of events that were sent to billing and didn't arrive, though something later did by the same road: an event, or a
    heartbeat while nothing is queued. Two queries."""
    reader = Consumer.objects.using("users").filter(name="billing").first()
    if reader is None:
        return []
    sent = [
        one for one in recorded if state_of(one) == SENT and one.destination in reader.types and one.added > reader.registered_at
    ]
    keys = {f"billing:{one.pk}": one for one in sent}
    arrived = dict(Received.objects.using("billing").filter(msg_id__in=keys).values_list("msg_id", "added"))
    later = [keys[key].added for key, at in arrived.items() if at < now - GRACE]
    if queue.waiting == 0 and row.heartbeat_at is not None:  # a pull while messages are queued counts as a heartbeat, too
        later.append(row.heartbeat_at - GRACE)
    return [str(one.pk) for key, one in keys.items() if key not in arrived and later and one.added < max(later)]


def last(recorded: Sequence[Published], missing: Sequence[str], now: datetime) -> Last | None:
    """What became of the newest event. Four queries."""
    if not recorded:
        return None
    row, key = recorded[0], str(recorded[0].pk)
    body = row.body if isinstance(row.body, dict) else {}
    subject = str(body.get("subject", ""))
    users = users_by_id(ids=filter(None, [as_uuid(subject)]))
    name = next((user.name for user in users.values()), "")
    outcome, at = _became(row, key, missing, now)
    return Last(
        words(row.destination),
        Truncator(name or subject[:8]).chars(LONGEST_NAME),
        body.get("aggregateversion"),
        outcome,
        max(0.0, (at - row.added).total_seconds()),
    )


def _became(row: Published, key: str, missing: Sequence[str], now: datetime) -> tuple[str, datetime]:
    arrived = Received.objects.using("billing").filter(msg_id=f"billing:{key}").first()
    if arrived:
        if Parked.objects.using("billing").filter(event_id=key, state__in=UNSETTLED).exists():
            return "parked", arrived.added
        return _outcome(arrived, False, _copies([arrived])), arrived.added
    if key in missing:
        return "lost", now
    return ("sent" if state_of(row) == SENT else "waiting"), now
