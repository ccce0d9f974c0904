"""What `users` does with other contexts' events. The table at the end is the wiring."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel

from messaging.consumer import Event, Handler
from users.errors import TransitionNotAllowed, UnknownUser
from users.services import user_suspend


class Overdue(BaseModel):
    """What this context reads of billing's `invoice.overdue`."""

    user_id: UUID


def suspend_overdue_user(events: Sequence[Event]) -> None:
    """A user who doesn't pay is suspended; one who is suspended or erased already stays as he is."""
    for event in events:
        try:
            user_suspend(user_id=event.data.user_id, reason="overdue")
        except (TransitionNotAllowed, UnknownUser):
            continue  # nothing to do: not active any more, or gone without a trace


HANDLERS = {
    "billing.invoice.overdue.v1": Handler(reads=Overdue, apply=suspend_overdue_user, each=True),
}
