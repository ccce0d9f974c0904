"""Billing's reactions to events of users."""

from collections.abc import Sequence

from messaging.consumer import Event, Handler, Upserted
from walkthrough.exercises.shop.billing.caches import UserFacts, apply_users


def apply_user_changes(events: Sequence[Event]) -> Upserted:
    return apply_users(events, "event")


HANDLERS = {
    "users.user.registered.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.suspended.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.reactivated.v1": Handler(reads=UserFacts, apply=apply_user_changes),
    "users.user.plan_changed.v1": Handler(reads=UserFacts, apply=apply_user_changes),
}
