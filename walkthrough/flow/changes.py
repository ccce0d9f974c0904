"""The newest changes of users, side by side with billing's copies of them: one tick and one tile for each."""

import uuid
from dataclasses import dataclass

from billing.models import CachedUser
from billing.selectors import cached_users_by_id
from messaging.consumer.checkpoints import highest
from messaging.ledger import ledger as ledgers
from messaging.ledger import sequencer
from messaging.models import Ledger as Entry
from messaging.models import Subscription
from users.models import User
from users.selectors import users_by_id
from walkthrough.observe.side_by_side import MOST_COUNTED, drift

LABEL = "users.user"
#: Changes that are drawn as ticks; the newest of them also as tiles.
TICKS, TILES = 24, 15
#: Of billing's newest rows, so many are checked for users that the authority doesn't know.
CHECKED = 6


@dataclass(frozen=True)
class Ledger:
    """`head`: the last position, with the changes that wait for theirs. `silent`: users whose last change has no event; it stops
    at `MOST_COUNTED + 1`."""

    head: int
    silent: int


@dataclass(frozen=True)
class Change:
    """A user's latest change. `arrived`: here, pulled, hole (missing below what billing has) or behind (not here yet). `truth` and
    `copied`: the status on both sides, empty without a row. `drift`: a key of `side_by_side.DRIFT`."""

    key: str
    position: int | None
    silent: bool
    arrived: str
    truth: str
    copied: str
    drift: str


def ledger() -> Ledger:
    """The ledger's numbers."""
    pending = Entry.objects.of("users").filter(position__isnull=True)[: MOST_COUNTED + 1].count()
    silent = ledgers.unannounced("users", LABEL)[: MOST_COUNTED + 1].count()
    return Ledger(sequencer.head("users") + pending, silent)


def newest(row: Subscription) -> list[Change]:
    """The newest changes, the oldest first. `row`: billing's record of users. Four queries."""
    entries = Entry.objects.using("users").filter(aggregate=LABEL)
    unplaced = list(entries.filter(position__isnull=True).order_by("-changed_at", "-id")[:TICKS])
    placed = entries.filter(position__isnull=False).order_by("-position")[: TICKS - len(unplaced)]
    found = [*unplaced, *placed][::-1]
    ids = [uuid.UUID(entry.aggregate_id) for entry in found]
    users, copies = users_by_id(ids=ids), cached_users_by_id(ids=ids)
    return [_change(entry, users.get(key), copies.get(key), row) for entry, key in zip(found, ids, strict=True)]


def ghosts(known: list[Change]) -> list[str]:
    """The status of billing's newest rows of users that the authority doesn't know. Three queries at most."""
    keys = {uuid.UUID(change.key) for change in known}
    latest = CachedUser.objects.using("billing").order_by("-received_at")[:CHECKED]
    rows = {copy.user_id: copy for copy in latest if copy.user_id not in keys}
    if not rows:
        return []
    entries = ledgers.positions("users", [(LABEL, str(key)) for key in rows])
    return [copy.status for key, copy in rows.items() if (LABEL, str(key)) not in entries]


def _change(entry: Entry, user: User | None, copy: CachedUser | None, row: Subscription) -> Change:
    return Change(
        key=entry.aggregate_id,
        position=entry.position,
        silent=entry.version > entry.announced_version,
        arrived=_arrived(entry, copy, row),
        truth=user.status if user else User.Status.ERASED.value,
        copied=copy.status if copy else "",
        drift=drift(user, entry.version, copy),
    )


def _arrived(entry: Entry, copy: CachedUser | None, row: Subscription) -> str:
    position = entry.position
    if position is None or not has(row, position):
        return "hole" if position is not None and position <= max(row.head, highest(row)) else "behind"
    return "pulled" if copy and copy.source == CachedUser.Source.REPAIR and copy.version == entry.version else "here"


def has(row: Subscription, position: int) -> bool:
    """Return True if billing has the change at this position, by its own record."""
    return position <= row.checkpoint or any(first <= position <= last for first, last in row.ahead)
