"""The monolith's tables as copies of the rows that moved out, so that old readers still work and a move can be undone. `CACHES`
at the end is the wiring."""

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
    """The fields of a user that move."""

    email: str
    name: str
    status: Literal["active", "suspended", "erased"]
    status_since: Moment
    suspension_reason: str
    created_at: Moment


class MovedInvoice(BaseModel):
    """The fields of an invoice that move: all but `billed_to`, which is personal data that billing doesn't need."""

    user_id: UUID
    period: str
    amount_minor: int
    currency: str
    status: Literal["issued", "overdue"]
    issued_at: Moment
    review_reason: str


def users_are_there(events: Sequence[Event]) -> None:
    """Make an invoice wait for its user, which another feed brings, because of the foreign key."""
    wanted = {event.data.user_id for event in events}
    missing = wanted - set(User.objects.using(DATABASE).filter(pk__in=wanted).values_list("pk", flat=True))
    if missing:
        users = plural(len(missing), "user with an invoice isn't", "users with invoices aren't")
        raise NotYet(f"{users} in the monolith yet, for example {min(missing)}.")


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
