"""Damage by a button: changed rows in billing's copy, a write without the services, emptied queues."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F
from django.utils import timezone
from django.utils.text import get_text_list

from billing.models import CachedUser
from users.models import User
from walkthrough.control import broker
from walkthrough.observe import side_by_side
from walkthrough.observe.side_by_side import Row


@dataclass(frozen=True)
class Damage:
    """A button: its name, its title, and what it does; `run` returns what was done, as a sentence."""

    name: str
    title: str
    does: str
    run: Callable[[], str]


class NothingToDamage(Exception):
    """The table shows no row for this damage. The text may be shown."""


def _copy() -> Row:
    """A row that the page shows and billing has, so that the damage is seen; an equal one if there is any."""
    rows = [row for row in side_by_side.rows() if row.user and row.cache]
    if not rows:
        raise NothingToDamage("The table shows no row of billing to damage.")
    return random.choice([row for row in rows if not row.drift] or rows)


def _tampering(change: Callable[[CachedUser, str], str]) -> Callable[[], str]:
    """Do it to one of these rows, and name the user as the table does."""

    def run() -> str:
        row = _copy()
        assert row.cache  # noqa: S101  (chosen so)
        return change(row.cache, row.called)

    return run


def _missing(row: CachedUser, called: str) -> str:
    row.delete(using="billing")
    return f"Billing's row of {called} is deleted."


def _stale(row: CachedUser, called: str) -> str:
    CachedUser.objects.using("billing").filter(pk=row.pk).update(status=_other(row), version=F("version") - 1)
    return f"Billing's row of {called} is one version behind."


def _corrupt(row: CachedUser, called: str) -> str:
    CachedUser.objects.using("billing").filter(pk=row.pk).update(status=_other(row))
    return f"Billing's row of {called} has the status {_other(row)} now, and the same version."


def _other(row: CachedUser) -> str:
    return "suspended" if row.status == "active" else "active"


def _ahead(row: CachedUser, called: str) -> str:
    CachedUser.objects.using("billing").filter(pk=row.pk).update(version=F("version") + 5)
    return f"Billing's row of {called} is five versions ahead, as if the authority had lost data."


def _ghost() -> str:
    now = timezone.now()
    row = CachedUser.objects.using("billing").create(
        user_id=uuid.uuid4(),
        status="active",
        status_since=now - timedelta(days=30),
        version=1,
        source=CachedUser.Source.REPAIR,
        authority_time=now,
        received_at=now,
    )
    return f"Billing has a row of a user {str(row.pk)[:8]} that the users context never had."


def _silent() -> str:
    active = [row for row in side_by_side.rows() if row.user and row.user.status == "active"]
    chosen = sorted(active, key=lambda row: bool(row.drift))[:3]
    if not chosen:
        raise NothingToDamage("The table shows no active user.")
    ids = [row.id for row in chosen]
    User.objects.using("users").filter(pk__in=ids).update(status="suspended", status_since=timezone.now())
    were = "was" if len(chosen) == 1 else "were"
    return f"{get_text_list([row.called for row in chosen], 'and')} {were} suspended by an SQL UPDATE, without an event."


def _flush() -> str:
    broker.empty()
    return "All queued messages are deleted."


DAMAGE = (
    Damage("missing", "Delete a row", "Billing loses one row.", _tampering(_missing)),
    Damage("stale", "Make a row stale", "Billing's row becomes older than the authority's.", _tampering(_stale)),
    Damage("corrupt", "Corrupt a row", "Billing's row gets another status, but keeps its version.", _tampering(_corrupt)),
    Damage("ghost", "Invent a row", "Billing gets a row of a user who never existed.", _ghost),
    Damage("ahead", "Put a row ahead", "Billing's version becomes higher than the authority's.", _tampering(_ahead)),
    Damage("silent", "Write by SQL", "Up to three users change without an event.", _silent),
    Damage("flush", "Flush the queues", "All queued messages are lost.", _flush),
)


#: Kinds of drift that a change of one row of the copy makes.
TAMPERING = {"missing": _missing, "corrupt": _corrupt, "ahead": _ahead}


def do(name: str) -> str:
    """Do the damage by that name. Raises `KeyError` for an unknown name."""
    return {damage.name: damage for damage in DAMAGE}[name].run()
