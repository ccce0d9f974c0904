"""Notifications' reactions to other contexts' events. `HANDLERS` at the end is the wiring."""

from collections.abc import Sequence

from messaging.consumer import Event, Handler, Upserted
from tests.contexts.notifications.caches import Reachable, apply_contacts


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    return apply_contacts(events, "event")


HANDLERS = {
    "users.user.created.v1": Handler(reads=Reachable, apply=apply_user_changes),
    "users.user.suspended.v1": Handler(reads=Reachable, apply=apply_user_changes),
    "users.user.reactivated.v1": Handler(reads=Reachable, apply=apply_user_changes),
    "users.user.email_changed.v1": Handler(reads=Reachable, apply=apply_user_changes),
    "users.user.erased.v1": Handler(reads=Reachable, apply=apply_user_changes),
}
