"""Billing's reactions to events of users."""

from collections.abc import Sequence

from caches import UserFactsV2, apply_users

from messaging.consumer import Event, Handler, Upserted


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    """Move the copy of users forward to the state in these events."""
    return apply_users(events, "event")


# 2. These events of version 1 have other fields, and the old version of the suspension isn't listed.
HANDLERS = {
    "users.user.registered.v1": Handler(reads=UserFactsV2, apply=apply_user_changes),
    "users.user.suspended.v2": Handler(reads=UserFactsV2, apply=apply_user_changes),
    "users.user.reactivated.v1": Handler(reads=UserFactsV2, apply=apply_user_changes),
}
