"""Billing's reactions to events of users."""

from collections.abc import Sequence

from caches import UserFacts, apply_users

from messaging.consumer import Event, Handler, Upserted


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    """Move the copy of users forward to the state in these events."""
    return apply_users(events, "event")


HANDLERS = {
    "users.user.registered.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.suspended.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.reactivated.v1": Handler(reads=UserFacts, apply=apply_user_changes),
}
