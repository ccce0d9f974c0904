"""The reactions of `users` to other contexts' events. `HANDLERS` at the end is the wiring."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import BaseModel

from messaging.consumer import Event, Handler
from users.errors import TransitionNotAllowed, UnknownUser
from users.services import user_suspend


class Overdue(BaseModel):
    """The field that `users` reads of billing's `invoice.overdue`."""

    user_id: UUID


def suspend_overdue_user(events: Sequence[Event]) -> None:
    """Suspend users who didn't pay. Users who are suspended or erased already stay as they are."""
    for event in events:
        try:
            user_suspend(user_id=event.data.user_id, reason="overdue")
        except (TransitionNotAllowed, UnknownUser):
            continue  # not active any more, or deleted


HANDLERS = {
    "billing.invoice.overdue.v1": Handler(reads=Overdue, apply=suspend_overdue_user, each=True),
}
