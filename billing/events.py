"""The events that `billing` publishes. `manage.py write_contracts billing` writes their JSON Schemas to `billing/contracts/`."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from messaging.publisher import DomainEvent


class InvoiceFacts(DomainEvent):
    """An invoice, as billing shows it to other contexts."""

    user_id: UUID = Field(description="The user's id at the authority `users`.")
    period: str = Field(description="The month, as 2026-11.")
    amount_minor: int = Field(description="The amount in minor units: 1900 is 19.00.")
    currency: str = Field(description="ISO 4217 code.")
    status: Literal["issued", "overdue"] = Field(description="The state of the invoice.")
    user_version: int = Field(description="The version of the user that billing decided on.")
    issued_at: datetime = Field(description="When it was issued, by billing's clock.")
    review_reason: str = Field(description="Why a person should check the invoice; empty otherwise.")


class InvoiceIssued(InvoiceFacts, wire="billing.invoice.issued.v1"):
    """An invoice was issued."""


class InvoiceOverdue(InvoiceFacts, wire="billing.invoice.overdue.v1"):
    """An invoice was not paid in time."""


class InvoiceFlagged(InvoiceFacts, wire="billing.invoice.flagged.v1"):
    """A person should check an invoice, because billing decided on outdated data."""
