"""The monolith's tables as copies of what has moved out of them, so that its old readers still work and there is a way back. The
table at the end is the wiring."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from messaging.consumer import Event
from messaging.events import plural
from messaging.ownership import Follower, NotYet
from messaging.publisher import Moment
from messaging.settings import context
from monolith.models import Invoice, User

DATABASE = context("monolith").alias


class MovedUser(BaseModel):
    """What moves of a user."""

    email: str
    name: str
    status: Literal["active", "suspended", "erased"]
    status_since: Moment
    suspension_reason: str
    created_at: Moment


class MovedInvoice(BaseModel):
    """What moves of an invoice. `billed_to` doesn't: a name is personal data, and billing has no need of it."""

    user_id: UUID
    period: str
    amount_minor: int
    currency: str
    status: Literal["issued", "overdue"]
    issued_at: Moment
    review_reason: str


def users_are_there(events: Sequence[Event]) -> None:
    """The foreign key holds: an invoice waits for its user, who comes by another feed."""
    wanted = {event.data.user_id for event in events}
    missing = wanted - set(User.objects.using(DATABASE).filter(pk__in=wanted).values_list("pk", flat=True))
    if missing:
        users = plural(len(missing), "user with an invoice isn't", "users with invoices aren't")
        raise NotYet(f"{users} in the monolith yet, for one {min(missing)}.")


USERS = Follower(
    using=DATABASE,
    model=User,
    fields=tuple(MovedUser.model_fields),
    unique=("email",),
    make_room=lambda key: {"email": ""},
    more=lambda event: {"updated_at": event.time},
    final=("status", "erased"),
)
INVOICES = Follower(
    using=DATABASE,
    model=Invoice,
    fields=tuple(MovedInvoice.model_fields),
    unique=("user_id", "period"),
    make_room=lambda key: {"period": f"~{key.hex[:6]}"},
    more=lambda event: {"billed_to": ""},
    once=("billed_to",),
    gone=lambda event: not event.data.period,
    ready=users_are_there,
)

CACHES = {"users": USERS.cache(MovedUser), "billing": INVOICES.cache(MovedInvoice)}
