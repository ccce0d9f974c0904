"""Billing's reactions to events of users."""

from collections.abc import Sequence

from caches import UserFactsV1, UserFactsV2, apply_users, to_v2

from messaging.consumer import Event, Handler, Upserted


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    """Move the copy of users forward to the state in these events."""
    return apply_users(events, "event")


HANDLERS = {
    "users.user.registered.v1": Handler(reads=UserFactsV1, upcast=to_v2, apply=apply_user_changes),
    "users.user.suspended.v1": Handler(reads=UserFactsV1, upcast=to_v2, apply=apply_user_changes),
    "users.user.suspended.v2": Handler(reads=UserFactsV2, apply=apply_user_changes),
    "users.user.reactivated.v1": Handler(reads=UserFactsV1, upcast=to_v2, apply=apply_user_changes),
}
