"""Billing's reactions to other contexts' events. `HANDLERS` at the end is the wiring."""

from collections.abc import Sequence

from billing.caches import UserFacts, apply_users
from billing.models import CachedUser
from messaging.consumer import Event, Handler, Upserted


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    """Move the cache of users forward to the state in these events."""
    return apply_users(events, CachedUser.Source.EVENT.value)


HANDLERS = {
    "users.user.created.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.suspended.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.reactivated.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.email_changed.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.erased.v1": Handler(reads=UserFacts, apply=apply_user_changes),
}
