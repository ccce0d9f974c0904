"""Damage that is done once, by a button: billing's copy tampered with, a write past every service, a broker that forgets."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from billing.models import CachedUser
from users.models import User
from walkthrough import queueing
from walkthrough.presentation import ROWS


@dataclass(frozen=True)
class Damage:
    """A button: its name, what it says, what it does; `run` returns what was done, in a sentence."""

    name: str
    title: str
    does: str
    run: Callable[[], str]


def _copy() -> CachedUser | None:
    """A row that the page shows, so that the damage is seen: one of the newest users'."""
    newest = list(User.objects.using("users").values_list("pk", flat=True)[:ROWS])
    return CachedUser.objects.using("billing").filter(pk__in=newest).order_by("?").first()


def _tampering(change: Callable[[CachedUser], str]) -> Callable[[], str]:
    def run() -> str:
        row = _copy()
        return change(row) if row else "Billing has no row to tamper with."

    return run


def _missing(row: CachedUser) -> str:
    row.delete(using="billing")
    return f"Billing's row of {str(row.pk)[:8]} is gone."


def _stale(row: CachedUser) -> str:
    other = "suspended" if row.status == "active" else "active"
    CachedUser.objects.using("billing").filter(pk=row.pk).update(status=other, version=F("version") - 1)
    return f"Billing's row of {str(row.pk)[:8]} is one version behind."


def _corrupt(row: CachedUser) -> str:
    other = "suspended" if row.status == "active" else "active"
    CachedUser.objects.using("billing").filter(pk=row.pk).update(status=other)
    return f"Billing takes {str(row.pk)[:8]} for {other}, at the same version."


def _ahead(row: CachedUser) -> str:
    CachedUser.objects.using("billing").filter(pk=row.pk).update(version=F("version") + 5)
    return f"Billing's row of {str(row.pk)[:8]} is five versions ahead: the authority seems to have lost data."


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
    return f"Billing knows a user {str(row.pk)[:8]} that users never had."


def _silent() -> str:
    chosen = list(User.objects.using("users").filter(status="active").values_list("pk", flat=True)[:3])
    User.objects.using("users").filter(pk__in=chosen).update(status="suspended", status_since=timezone.now())
    return f"{len(chosen)} users were suspended by an UPDATE: no service, no event."


def _flush() -> str:
    queueing.empty()
    return "Everything that waited in the queues is gone."


DAMAGE = (
    Damage("missing", "Delete a copy", "Billing loses a row.", _tampering(_missing)),
    Damage("stale", "Set one back", "Billing's row is older than the authority's.", _tampering(_stale)),
    Damage("corrupt", "Falsify one", "The same version, another status.", _tampering(_corrupt)),
    Damage("ghost", "Invent one", "A row of a user that there never was.", _ghost),
    Damage("ahead", "Put one ahead", "A version that the authority hasn't reached.", _tampering(_ahead)),
    Damage("silent", "Write past the services", "Three users change by SQL, without an event.", _silent),
    Damage("flush", "Flush the queues", "What waits in the broker is lost.", _flush),
)


def do(name: str) -> str:
    """Do the damage by that name; `KeyError` where there is none."""
    return {damage.name: damage for damage in DAMAGE}[name].run()
