"""What accounts publishes."""

from datetime import date, datetime
from decimal import Decimal

from messaging.publisher import DomainEvent


class UserFacts(DomainEvent):
    login: str
    full_name: str
    email: str
    staff: bool
    active: bool
    last_login: datetime | None
    joined: datetime


class UserChanged(UserFacts, wire="accounts.auth_user2.changed.v1"):
    """A user is new, or has changed."""


class BadgeFacts(DomainEvent):
    fee: Decimal
    deposit: Decimal
    valid_from: date


class BadgeChanged(BadgeFacts, wire="accounts.badge.changed.v1"):
    """A badge is new, or has changed."""
