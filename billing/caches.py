"""Billing's copies of other contexts' facts. `CACHES` at the end is the wiring."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone
from pydantic import BaseModel

from billing.models import CachedUser, Invoice
from billing.services import invoices_flag_late
from messaging.consumer import Cache, Event, Upserted, upsert_newer
from messaging.ownership import Follower, follows
from messaging.publisher import Moment
from messaging.settings import context

DATABASE = context("billing").alias


class UserFacts(BaseModel):
    """The fields of a user that billing reads, and the only ones that it registered for."""

    status: Literal["active", "suspended", "erased"]
    status_since: Moment


def apply_users(events: Sequence[Event], source: str) -> Upserted:
    """Move the cache forward. A suspension that arrives late flags the invoices that it should have prevented."""
    now = timezone.now()
    outcome = upsert_newer(
        CachedUser,
        [
            {
                "user_id": event.subject,
                "status": event.data.status,
                "status_since": event.data.status_since,
                "version": event.version,
                "source": source,
                "authority_time": event.time,
                "received_at": now,
                "deleted": event.deleted,
            }
            for event in events
        ],
        final=("status", "erased"),
        deleted="deleted",
        using=DATABASE,
    )
    _flag_late_invoices([event for event in events if event.data.status != "active" and event.subject in outcome.applied])
    return outcome


def _flag_late_invoices(events: Sequence[Event]) -> None:
    """Flag invoices issued since these suspensions. One indexed query skips the usual batch, which has none."""
    if not events:
        return
    earliest = min(event.data.status_since for event in events)
    suspects = Invoice.objects.using(DATABASE).filter(issued_at__gte=earliest, review_reason="")
    if not suspects.exists():
        return
    invoiced = set(suspects.filter(user_id__in={event.uuid for event in events}).values_list("user_id", flat=True))
    if invoiced and follows(DATABASE, INVOICES.label):
        return  # billing doesn't own its invoices yet; `flag_passed_over` flags these later
    for event in events:
        if event.uuid in invoiced:
            with event.tracing():
                invoices_flag_late(
                    user_id=event.uuid, status=event.data.status, since=event.data.status_since, version=event.version
                )


def flag_passed_over() -> None:
    """Flag the invoices that a suspension should have prevented while another context owned billing's invoices."""
    invoiced = Invoice.objects.using(DATABASE).filter(
        user_id=OuterRef("user_id"), issued_at__gte=OuterRef("status_since"), review_reason=""
    )
    late = CachedUser.objects.using(DATABASE).exclude(status="active").filter(Exists(invoiced))
    for user in late.order_by("user_id").iterator():
        invoices_flag_late(user_id=user.user_id, status=user.status, since=user.status_since, version=user.version)


class MonolithInvoice(BaseModel):
    """The fields of an invoice that move: all but the name that it was billed to, which is personal data."""

    user_id: UUID
    period: str
    amount_minor: int
    currency: str
    status: Literal["issued", "overdue"]
    issued_at: Moment
    review_reason: str


INVOICES = Follower(
    using=DATABASE,
    model=Invoice,
    fields=tuple(MonolithInvoice.model_fields),
    unique=("user_id", "period"),
    make_room=lambda key: {"period": f"~{key.hex[:6]}"},
    more=lambda event: {"user_version": 0, "staleness": ""},
    once=("user_version", "staleness"),
    gone=lambda event: not event.data.period,
    owned=flag_passed_over,
)

CACHES = {
    "users": Cache(
        model=CachedUser,
        key="user_id",
        fields=("status", "status_since"),
        reads=UserFacts,
        apply=apply_users,
        tombstone=("status", "erased"),
        deleted="deleted",
    ),
    "monolith_invoices": INVOICES.cache(MonolithInvoice),
}
