"""Copies of other contexts' facts: billing's invoices, and the monolith's users as long as the monolith owns them. `CACHES` at the
end is the wiring."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel

from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.ownership import NOBODY, Follower, follows
from messaging.publisher import Moment
from messaging.settings import context
from users.errors import TransitionNotAllowed, UnknownUser
from users.models import CachedInvoice, User
from users.services import user_suspend

DATABASE = context("users").alias
OVERDUE = CachedInvoice.Status.OVERDUE.value


class InvoiceFacts(BaseModel):
    """The fields of an invoice that `users` reads, and the only ones that it registered for."""

    user_id: UUID
    status: Literal["issued", "overdue"]


def apply_invoices(events: Sequence[Event], source: str) -> Upserted:
    """Move the copy forward. An invoice that moves to overdue suspends its user, once.

    It moves when an event or a pull first brings it as overdue, and the copy has it as issued or not at all. What a bootstrap's
    snapshot holds or a repair writes again (`Event.old`) suspends nobody, or it would suspend users who were reactivated since.
    """
    now, moves = timezone.now(), _moves_to_overdue(events)
    outcome = upsert_newer(
        CachedInvoice,
        [
            {
                "invoice_id": event.subject,
                "user_id": event.data.user_id,
                "status": event.data.status,
                "version": event.version,
                "source": source,
                "authority_time": event.time,
                "received_at": now,
                "deleted": event.deleted,
            }
            for event in events
        ],
        using=DATABASE,
    )
    moves = [event for event in moves if event.subject in outcome.applied]  # another worker may have inserted a newer row
    if moves and follows(DATABASE, USERS.label):
        CachedInvoice.objects.using(DATABASE).filter(pk__in=[event.uuid for event in moves]).update(postponed=True)
        return outcome
    for event in moves:
        with event.tracing():
            _suspend(event.data.user_id)
    return outcome


def _moves_to_overdue(events: Sequence[Event]) -> list[Event]:
    """Return the events that move an invoice to overdue. It locks the copy's rows, so that no other worker sees the same moves.

    An invoice that is overdue in its first version was imported so, and didn't move.
    """
    overdue = {event.uuid for event in events if event.data.status == OVERDUE}
    if not overdue:
        return []
    rows = CachedInvoice.objects.using(DATABASE).filter(pk__in=overdue).order_by("pk").select_for_update()
    known = {key: (version, status) for key, version, status in rows.values_list("pk", "version", "status")}
    moves: dict[UUID, Event] = {}
    for event in sorted(events, key=lambda event: event.version):
        version, status = known.get(event.uuid, (0, ""))
        if event.version <= version:
            continue
        if event.data.status != OVERDUE:
            moves.pop(event.uuid, None)
        elif status != OVERDUE and event.version > 1 and not event.old:
            moves[event.uuid] = event
        known[event.uuid] = (event.version, event.data.status)
    return sorted(moves.values(), key=lambda event: str(event.data.user_id))  # the order in which all workers lock users


def _suspend(user_id: UUID) -> None:
    with suppress(TransitionNotAllowed, UnknownUser):  # suspended or erased already, or deleted
        user_suspend(user_id=user_id, reason="overdue")


def suspend_postponed() -> None:
    """Suspend the users whose invoices became overdue while another context owned the users."""
    rows = list(CachedInvoice.objects.using(DATABASE).filter(postponed=True).order_by("pk"))
    for row in rows:
        if row.status == OVERDUE:
            _suspend(row.user_id)
    CachedInvoice.objects.using(DATABASE).filter(pk__in=[row.pk for row in rows]).update(postponed=False)


class MonolithUser(BaseModel):
    """The fields of a user that move."""

    email: str
    name: str
    status: Literal["active", "suspended", "erased"]
    status_since: Moment
    suspension_reason: str
    created_at: Moment


USERS = Follower(
    using=DATABASE,
    model=User,
    fields=tuple(MonolithUser.model_fields),
    unique=("email",),
    make_room=lambda key: {"email": ""},
    more=lambda event: {"updated_at": event.time},
    final=("status", "erased"),
    owned=suspend_postponed,
)

CACHES = {
    "billing": Cache(
        model=CachedInvoice,
        key="invoice_id",
        fields=("user_id", "status"),
        reads=InvoiceFacts,
        apply=apply_invoices,
        tombstone=("user_id", UUID(NOBODY)),  # billing's feed shows a deleted invoice once, and doesn't keep it
        deleted="deleted",
    ),
    "monolith": USERS.cache(MonolithUser),
}
