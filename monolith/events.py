"""The facts in the monolith's feeds. The monolith sends no events: consumers of its tables pull changes."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from messaging.publisher import DomainEvent


class UserFacts(DomainEvent):
    """A row of `monolith_user`."""

    status: Literal["active", "suspended", "erased"] = Field(description="What the user may do now.")
    status_since: datetime = Field(description="When the status became what it is.")
    suspension_reason: str = Field(description="Why the user is suspended; empty otherwise.")
    email: str = Field(description="Personal data. The e-mail address; empty once erased.")
    name: str = Field(description="Personal data. The full name; empty once erased.")
    created_at: datetime = Field(description="When the user was registered.")


class UserChanged(UserFacts, wire="monolith.user.changed.v1"):
    """A row of `monolith_user` changed."""


class InvoiceFacts(DomainEvent):
    """A row of `monolith_invoice`, without the name that it was billed to, which is personal data."""

    user_id: UUID = Field(description="The user's id.")
    period: str = Field(description="The month, such as 2026-11; empty if the invoice was deleted.")
    amount_minor: int = Field(description="The amount in minor units: 1900 is 19.00.")
    currency: str = Field(description="ISO 4217 code.")
    status: Literal["issued", "overdue"] = Field(description="The state of the invoice.")
    issued_at: datetime = Field(description="When it was issued.")
    review_reason: str = Field(description="Why a person should check the invoice; empty otherwise.")


class InvoiceChanged(InvoiceFacts, wire="monolith.invoice.changed.v1"):
    """A row of `monolith_invoice` changed."""
